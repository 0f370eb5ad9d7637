package soap

// Envelope wraps body, the XML of the body's child, as a request for action with a fresh message id and the anonymous reply address.
func Envelope(action string, body []byte) []byte {
	b := appendHead(make([]byte, 0, len(body)+1024), action, newUUID(), "", "")
	b = append(b, `<wsa:ReplyTo><wsa:Address>`+anonymous+`</wsa:Address></wsa:ReplyTo></env:Header><env:Body>`...)
	return append(append(b, body...), "</env:Body></env:Envelope>"...)
}
