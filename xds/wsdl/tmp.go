package wsdl

import "net/http"

func Registry(string) http.Handler   { return nil }
func Repository(string) http.Handler { return nil }
