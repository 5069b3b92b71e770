module example.com/consumer

go 1.24

require github.com/uring-go/uring v0.1.0

// The copy around this folder is what is tested. A service has no such line.
replace github.com/uring-go/uring => ../..
