module github.com/passerelle-sante/passerelle

go 1.26.0

require (
	github.com/tidwall/btree v1.8.1
	go.etcd.io/bbolt v1.5.0
)

require golang.org/x/sys v0.45.0
