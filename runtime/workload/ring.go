package workload

import "encoding/binary"

// ring keeps the newest records of output in segments that are allocated as
// they are used, within bounds of lines and of bytes of text. Not safe for
// concurrent use.
type ring struct {
	maxLines, maxBytes int

	segs  []segment
	first uint64 // ordinal of the oldest record
	n     int    // records
	bytes int    // of text
}

type segment struct {
	buf   []byte
	first uint64 // ordinal of its first record that is kept
	head  int    // offset of that
}

// segmentSize is when a new segment begins.
const segmentSize = 16 << 10

// recordHead is the size of what precedes the text of a record: its line's
// number, time, instance, flags and size.
const recordHead = 8 + 8 + 4 + 1 + 4

type record struct {
	seq, at  uint64
	instance uint32
	flags    byte
	text     []byte // of the ring: to be copied
}

const (
	flagStderr = 1 << iota
	flagNewline
)

func (r *ring) append(rec *record) {
	end := r.first + uint64(r.n)
	if k := len(r.segs); k == 0 || len(r.segs[k-1].buf) >= segmentSize {
		r.segs = append(r.segs, segment{first: end})
	}
	s := &r.segs[len(r.segs)-1]
	s.buf = binary.LittleEndian.AppendUint64(s.buf, rec.seq)
	s.buf = binary.LittleEndian.AppendUint64(s.buf, rec.at)
	s.buf = binary.LittleEndian.AppendUint32(s.buf, rec.instance)
	s.buf = append(s.buf, rec.flags)
	s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(len(rec.text)))
	s.buf = append(s.buf, rec.text...)
	r.n++
	r.bytes += len(rec.text)
	for r.n > 1 && (r.maxLines > 0 && r.n > r.maxLines || r.maxBytes > 0 && r.bytes > r.maxBytes ||
		r.n*recordHead > 4*max(r.maxBytes, segmentSize)) {
		r.drop()
	}
}

// drop forgets the oldest record.
func (r *ring) drop() {
	s := &r.segs[0]
	size := textSize(s.buf[s.head:])
	s.head += recordHead + size
	s.first++
	r.first++
	r.n--
	r.bytes -= size
	if s.head == len(s.buf) {
		r.segs[0] = segment{}
		r.segs = r.segs[1:]
	}
}

func textSize(b []byte) int { return int(binary.LittleEndian.Uint32(b[recordHead-4:])) }

// read hands the records from ordinal on to yield until that returns false.
func (r *ring) read(from uint64, yield func(ordinal uint64, rec *record) bool) {
	for k := range r.segs {
		s := &r.segs[k]
		if k+1 < len(r.segs) && r.segs[k+1].first <= from {
			continue
		}
		ordinal := s.first
		for at := s.head; at < len(s.buf); ordinal++ {
			b := s.buf[at:]
			size := textSize(b)
			at += recordHead + size
			if ordinal < from {
				continue
			}
			rec := record{
				seq: binary.LittleEndian.Uint64(b), at: binary.LittleEndian.Uint64(b[8:]), instance: binary.LittleEndian.Uint32(b[16:]),
				flags: b[20], text: b[recordHead : recordHead+size],
			}
			if !yield(ordinal, &rec) {
				return
			}
		}
	}
}

// end is the ordinal of the next record.
func (r *ring) end() uint64 { return r.first + uint64(r.n) }
