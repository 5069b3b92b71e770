module github.com/uring-go/uring

go 1.24
