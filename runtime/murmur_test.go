package runtime

import "testing"

func TestMurmur3(t *testing.T) {
	tests := map[string]struct {
		text string
		seed uint32
		want uint32
	}{
		"nothing with seed 0":                    {"", 0, 0},
		"nothing with seed 1":                    {"", 1, 0x514e28b7},
		"nothing with every bit of the seed set": {"", 0xffffffff, 0x81f16f39},
		"a block of set bits":                    {"\xff\xff\xff\xff", 0, 0x76293b50},
		"a block tells the order of its bytes":   {"\x21\x43\x65\x87", 0, 0xf55b516b},
		"a block with a seed":                    {"\x21\x43\x65\x87", 0x5082edee, 0x2362f9de},
		"a tail of three bytes":                  {"\x21\x43\x65", 0, 0x7e4a8634},
		"a tail of two bytes":                    {"\x21\x43", 0, 0xa0f7b07a},
		"a tail of one byte":                     {"\x21", 0, 0x72661cf4},
		"a block of zeros":                       {"\x00\x00\x00\x00", 0, 0x2362f9de},
		"a tail of three zeros":                  {"\x00\x00\x00", 0, 0x85f0b427},
		"a tail of two zeros":                    {"\x00\x00", 0, 0x30f4c306},
		"a tail of one zero":                     {"\x00", 0, 0x514e28b7},
		"blocks and a tail":                      {"Hello, world!", 0x9747b28c, 0x24884cba},
		"text beyond ASCII":                      {"ππππππππ", 0x9747b28c, 0xd58063c1},
		"a sentence":                             {"The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := murmur3(tt.text, tt.seed); got != tt.want {
				t.Errorf("murmur3(%q, %#x) = %#x, want %#x", tt.text, tt.seed, got, tt.want)
			}
		})
	}
}
