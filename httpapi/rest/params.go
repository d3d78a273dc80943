package rest

import (
	"reflect"
	"strings"
)

// query gives parameters to fields, in the order of the query. A field that
// takes one value takes the last.
func (d *decoder) query(o *object, v reflect.Value, pairs []Pair) {
	for at := range pairs {
		q := &pairs[at]
		if i, known := d.parameter(o, q.Name); known && o.fields[i].query == queryLast && !d.state[i].seen &&
			(q.Value != "" || !d.p.Query.EmptyAbsent) {
			d.state[i].where = int32(at + 1)
		}
	}
	for at := range pairs {
		q := &pairs[at]
		i, known := d.parameter(o, q.Name)
		if !known {
			switch {
			case q.Bare && o.bare >= 0:
				d.pair(&o.fields[o.bare], v, *q)
			case o.rest >= 0:
				d.pair(&o.fields[o.rest], v, *q)
			}
			continue
		}
		f := &o.fields[i]
		switch {
		case f.query == queryPresent:
			v.FieldByIndex(f.index).SetBool(true)
			d.state[i].seen = true
			continue
		case f.query == queryPairs:
			d.pair(f, v, *q)
			continue
		case q.Value == "" && d.p.Query.EmptyAbsent:
			continue
		case f.query == queryLast:
			if d.state[i].seen || d.state[i].where != int32(at+1) {
				continue
			}
			d.plainField(f, v, i, q.Value)
			continue
		}
		if d.state[i].seen && d.state[i].where >= 0 {
			continue // another source gave the list
		}
		d.state[i] = fieldState{seen: true, where: -1}
		if f.query != queryCSV {
			d.item(f, v, q.Value)
			continue
		}
		for part := range strings.SplitSeq(q.Value, ",") {
			if part != "" {
				d.item(f, v, part)
			}
		}
	}
	for i := range o.fields { // rules of lists hold for the whole
		if d.state[i].where < 0 {
			f := &o.fields[i]
			d.pushName(f.Name)
			d.apply(f, v.FieldByIndex(f.index))
			d.pop()
		}
	}
}

// parameter finds the field that takes a name.
func (d *decoder) parameter(o *object, name string) (int, bool) {
	if !d.p.Query.FoldNames {
		i, ok := o.query[name]
		return i, ok
	}
	i, ok := o.byFold[strings.ToLower(name)]
	return i, ok
}

// pair adds a parameter to a field that keeps them whole.
func (d *decoder) pair(f *Field, v reflect.Value, q Pair) {
	list := v.FieldByIndex(f.index).Addr().Interface().(*[]Pair)
	*list = append(*list, q)
}

// item adds one value to a list.
func (d *decoder) item(f *Field, v reflect.Value, text string) {
	list := v.FieldByIndex(f.index)
	c := f.codec
	if c.shape == shapeOpt {
		list.Field(0).SetUint(uint64(Given))
		list, c = list.Field(1), c.elem
	}
	elem := reflect.New(c.typ.Elem()).Elem()
	d.pushName(f.Name)
	ok := d.plain(c.elem, elem, text)
	d.pop()
	if !ok {
		return
	}
	if f.query == queryUnique {
		for i := range list.Len() {
			if reflect.DeepEqual(list.Index(i).Interface(), elem.Interface()) {
				return
			}
		}
	}
	list.Set(reflect.Append(list, elem))
}
