package cms

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
)

// CompressedData is content made smaller [RFC 3274 1.1]. It protects nothing.
type CompressedData struct {
	algorithm oid
	content   []byte
}

func readCompressed(r *reader) *CompressedData {
	r = r.sequence("CompressedData")
	c := &CompressedData{}
	r.integer("version")
	c.algorithm = readAlgorithm(r, "compressionAlgorithm").oid
	content := r.sequence("encapContentInfo")
	r.done("CompressedData")
	content.oid("eContentType")
	in := content.inside(content.want(tagContext|tagConstructed, "eContent"))
	c.content = in.string("eContent")
	in.done("eContent")
	content.done("encapContentInfo")
	return c
}

// Expand gives the content, of at most limit octets.
func (c *CompressedData) Expand(limit int) ([]byte, error) {
	if c.algorithm != oidZlib {
		return nil, fmt.Errorf("%w compression %s", ErrUnsupported, c.algorithm)
	}
	z, err := zlib.NewReader(bytes.NewReader(c.content))
	if err != nil {
		return nil, fmt.Errorf("%w: compressed content: %w", ErrMalformed, err)
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(z, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: compressed content: %w", ErrMalformed, err)
	case n > int64(limit):
		return nil, fmt.Errorf("%w: compressed content is larger than %d octets", ErrMalformed, limit)
	}
	return out.Bytes(), nil
}

// Compress writes content as CompressedData.
func Compress(content []byte) ([]byte, error) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	info := sequence(oidData.der(), tlv(tagContext|tagConstructed, tlv(tagOctets, b.Bytes())))
	data := sequence(integerDER(0), algorithm(oidZlib), info)
	return sequence(oidCompressedData.der(), tlv(tagContext|tagConstructed, data)), nil
}
