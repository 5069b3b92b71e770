module github.com/uring-go/uring

go 1.24

require github.com/google/go-cmp v0.7.0

require github.com/golang/mock v1.6.0
