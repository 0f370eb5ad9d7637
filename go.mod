module github.com/passerelle-sante/passerelle

go 1.26.0
