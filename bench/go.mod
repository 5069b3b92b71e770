module github.com/uring-go/uring/bench

go 1.24

require (
	github.com/iceber/iouring-go v0.0.0-20230403020409-002cfd2e2a90
	github.com/pawelgaczynski/giouring v0.0.0-20230826085535-69588b89acb9
	github.com/uring-go/uring v0.0.0
	golang.org/x/sys v0.33.0
	gonum.org/v1/plot v0.16.0
)

require (
	codeberg.org/go-fonts/liberation v0.5.0 // indirect
	codeberg.org/go-latex/latex v0.1.0 // indirect
	codeberg.org/go-pdf/fpdf v0.10.0 // indirect
	git.sr.ht/~sbinet/gg v0.6.0 // indirect
	github.com/ajstarks/svgo v0.0.0-20211024235047-1546f124cd8b // indirect
	github.com/campoy/embedmd v1.0.0 // indirect
	github.com/golang/freetype v0.0.0-20170609003504-e2365dfdc4a0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/image v0.25.0 // indirect
	golang.org/x/text v0.23.0 // indirect
)

replace github.com/uring-go/uring => ..
