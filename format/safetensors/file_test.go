package safetensors

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// fileBytes puts a file together from its header and the number of bytes that follow it.
func fileBytes(header string, dataSize int) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	data = append(data, header...)
	for i := range dataSize {
		data = append(data, byte(i))
	}
	return data
}

// three is a small valid file of three tensors whose header is not in the order of the bytes.
const three = `{"__metadata__":{"format":"pt"},` +
	`"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},` +
	`"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},` +
	`"c":{"dtype":"U8","shape":[],"data_offsets":[14,15]}}   `

func TestParse(t *testing.T) {
	f, err := Parse("three", fileBytes(three, 15))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tensor := range f.Tensors() {
		got = append(got, tensor.Name)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("order %q, expected that of the bytes", got)
	}
	if !maps.Equal(f.Metadata(), map[string]string{"format": "pt"}) {
		t.Errorf("metadata %v", f.Metadata())
	}
	b, ok := f.Tensor("b")
	if !ok || b.DType != BF16 || !slices.Equal(b.Shape, []int{3}) || !bytes.Equal(b.Data, []byte{8, 9, 10, 11, 12, 13}) || b.Len() != 3 {
		t.Errorf("b is %+v", b)
	}
	if c, _ := f.Tensor("c"); c.Len() != 1 || len(c.Shape) != 0 {
		t.Errorf("c is %+v", c)
	}
	if _, ok := f.Tensor("d"); ok {
		t.Error("found a tensor that is not there")
	}
	if f.Size() != 15 || f.Path() != "three" {
		t.Errorf("size %d, path %q", f.Size(), f.Path())
	}
}

func TestParseAccepts(t *testing.T) {
	for name, data := range map[string][]byte{
		"no tensors":             fileBytes(`{}`, 0),
		"metadata only":          fileBytes(`{"__metadata__":{}}`, 0),
		"zero-sized tensors":     fileBytes(`{"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0),
		"zero-sized between":     fileBytes(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},"c":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3),
		"keys in another order":  fileBytes(`{"a":{"data_offsets":[0,2],"shape":[2],"dtype":"U8"}}`, 2),
		"white space":            fileBytes("{ \"a\" : {\"data_offsets\":[ 0 , 2 ],\n\"shape\":[2],\t\"dtype\":\"U8\"} }\n ", 2),
		"name of other scripts":  fileBytes(`{"ключ é\u00e9\n":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2),
		"empty name":             fileBytes(`{"":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2),
		"unaligned":              fileBytes(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}`, 9),
		"largest legal dims, 0":  fileBytes(`{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}`, 0),
		"same prefix, many dims": fileBytes(`{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,2]}}`, 2),
	} {
		if _, err := Parse(name, data); err != nil {
			t.Error(err)
		}
	}
}

// malformed lists a file for each way to break a rule, and the words by which the error names it.
func malformed() map[string]struct {
	data []byte
	want string
} {
	type file = struct {
		data []byte
		want string
	}
	tensor := func(info string, size int) []byte { return fileBytes(`{"a":`+info+`}`, size) }
	two := func(a, b string, size int) []byte {
		return fileBytes(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[`+a+`]},"b":{"dtype":"U8","shape":[4],"data_offsets":[`+b+`]}}`, size)
	}
	ofLength := func(length uint64, rest string) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, length), rest...)
	}
	huge := "[" + strings.Repeat("4294967296,", 3) + "2]"
	files := map[string]file{
		"length 0":                  {ofLength(0, ""), "does not begin with {"},
		"length beyond the file":    {ofLength(3, "{}"), "truncated"},
		"length of 100 MB and one":  {ofLength(maxHeader+1, "{}"), "the format allows 100000000"},
		"length of 2^63":            {ofLength(1<<63, "{}"), "the format allows"},
		"length of 2^64-1":          {ofLength(1<<64-1, "{}"), "the format allows"},
		"length of 2^64-8":          {ofLength(1<<64-8, "{}"), "the format allows"},
		"text file":                 {[]byte("hello, this is not it"), "the format allows"},
		"pickle":                    {[]byte("\x80\x02}q\x00X\x04\x00\x00\x00abcdefgh"), "the format allows"},
		"zip":                       {[]byte("PK\x03\x04\x00\x00\x08\x08abcdefghijk"), "the format allows"},
		"GGUF":                      {[]byte("GGUF\x03\x00\x00\x00\x00\x00\x00\x00"), "the format allows"},
		"Git LFS pointer":           {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), "the format allows"},
		"begins with a space":       {fileBytes(` {}`, 0), "does not begin with {"},
		"begins with a BOM":         {fileBytes("\ufeff{}", 0), "does not begin with {"},
		"a list":                    {fileBytes(`[]`, 0), "does not begin with {"},
		"null":                      {fileBytes(`null`, 0), "does not begin with {"},
		"not UTF-8 in a name":       {fileBytes("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1), "UTF-8"},
		"not UTF-8 in the padding":  {fileBytes("{}\x80", 0), "UTF-8"},
		"UTF-8 surrogate":           {fileBytes("{\"\xed\xa0\x80\":1}", 0), "UTF-8"},
		"cut JSON":                  {fileBytes(`{"a":`, 0), "not JSON"},
		"cut string":                {fileBytes(`{"a`, 0), "not JSON"},
		"trailing comma":            {fileBytes(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}`, 1), "not JSON"},
		"two values":                {fileBytes(`{}{}`, 0), "not JSON"},
		"zeros as padding":          {fileBytes("{}\x00\x00", 0), "not JSON"},
		"comment":                   {fileBytes(`{/**/}`, 0), "not JSON"},
		"single quotes":             {fileBytes(`{'a':1}`, 0), "not JSON"},
		"control character":         {fileBytes("{\"a\nb\":1}", 0), "not JSON"},
		"deep":                      {fileBytes(`{"a":`+strings.Repeat("[", 50000)+strings.Repeat("]", 50000)+`}`, 0), "not JSON"},
		"NaN":                       {fileBytes(`{"a":NaN}`, 0), "not JSON"},
		"tensor is null":            {tensor(`null`, 0), `tensor "a": expected an object, got null`},
		"tensor is a list":          {tensor(`[]`, 0), "expected an object, got a list"},
		"tensor is text":            {tensor(`"F32"`, 0), `got the string "F32"`},
		"tensor is empty":           {tensor(`{}`, 0), "expected dtype, shape and data_offsets"},
		"no dtype":                  {tensor(`{"shape":[1],"data_offsets":[0,1]}`, 1), "expected dtype, shape"},
		"no shape":                  {tensor(`{"dtype":"U8","data_offsets":[0,1]}`, 1), "expected dtype, shape"},
		"no offsets":                {tensor(`{"dtype":"U8","shape":[1]}`, 1), "expected dtype, shape"},
		"unknown key":               {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]}`, 1), `unknown key "strides"`},
		"key in capitals":           {tensor(`{"DType":"U8","shape":[1],"data_offsets":[0,1]}`, 1), `unknown key "DType"`},
		"dtype twice":               {tensor(`{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}`, 1), `key "dtype" comes twice`},
		"shape twice":               {tensor(`{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}`, 1), `key "shape" comes twice`},
		"offsets twice":             {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}`, 1), "comes twice"},
		"tensor twice":              {fileBytes(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `key "a" comes twice`},
		"tensor twice, escaped":     {fileBytes(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `key "a" comes twice`},
		"metadata twice":            {fileBytes(`{"__metadata__":{},"__metadata__":{}}`, 0), "comes twice"},
		"metadata key twice":        {fileBytes(`{"__metadata__":{"a":"1","a":"2"}}`, 0), `__metadata__: key "a" comes twice`},
		"metadata is null":          {fileBytes(`{"__metadata__":null}`, 0), "__metadata__: expected an object"},
		"metadata number":           {fileBytes(`{"__metadata__":{"a":1}}`, 0), `"a": expected a string, got the number 1`},
		"metadata object":           {fileBytes(`{"__metadata__":{"a":{}}}`, 0), "expected a string, got an object"},
		"dtype is a number":         {tensor(`{"dtype":8,"shape":[1],"data_offsets":[0,1]}`, 1), "dtype: expected a string"},
		"dtype in small letters":    {tensor(`{"dtype":"u8","shape":[1],"data_offsets":[0,1]}`, 1), `"u8" is not supported`},
		"shape is null":             {tensor(`{"dtype":"U8","shape":null,"data_offsets":[0,1]}`, 1), "shape: expected a list, got null"},
		"shape is a number":         {tensor(`{"dtype":"U8","shape":1,"data_offsets":[0,1]}`, 1), "shape: expected a list"},
		"shape of text":             {tensor(`{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}`, 1), "expected whole numbers"},
		"shape of lists":            {tensor(`{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}`, 1), "expected whole numbers, got a list"},
		"shape of true":             {tensor(`{"dtype":"U8","shape":[true],"data_offsets":[0,1]}`, 1), "expected whole numbers, got true"},
		"shape negative":            {tensor(`{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}`, 1), "got -1"},
		"shape of two negatives":    {tensor(`{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}`, 1), "got -1"},
		"shape minus zero":          {tensor(`{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}`, 0), "got -0"},
		"shape fraction":            {tensor(`{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}`, 1), "got 1.0"},
		"shape exponent":            {tensor(`{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}`, 1), "got 1e0"},
		"shape 2^63":                {tensor(`{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}`, 1), "got 9223372036854775808"},
		"shape 2^64":                {tensor(`{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}`, 0), "expected a whole number"},
		"shape of 40 digits":        {tensor(`{"dtype":"U8","shape":[`+strings.Repeat("9", 40)+`],"data_offsets":[0,0]}`, 0), "expected a whole number"},
		"product overflows":         {tensor(`{"dtype":"U8","shape":`+huge+`,"data_offsets":[0,0]}`, 0), "overflows"},
		"product wraps to 0":        {tensor(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`, 0), "overflows"},
		"product wraps to 4":        {tensor(`{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}`, 4), "overflows"},
		"overflow before a zero":    {tensor(`{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}`, 0), "overflows"},
		"larger than its bytes":     {tensor(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`, 4), "needs 8 bytes"},
		"smaller than its bytes":    {tensor(`{"dtype":"F32","shape":[1],"data_offsets":[0,8]}`, 8), "needs 4 bytes"},
		"rank 0 of 2 bytes":         {tensor(`{"dtype":"U8","shape":[],"data_offsets":[0,2]}`, 2), "needs 1 bytes"},
		"bytes for zero elements":   {tensor(`{"dtype":"U8","shape":[0],"data_offsets":[0,1]}`, 1), "needs 0 bytes"},
		"offsets empty":             {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[]}`, 1), "got 0 numbers"},
		"one offset":                {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[1]}`, 1), "got 1 numbers"},
		"three offsets":             {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}`, 1), "got 3 numbers"},
		"offsets as an object":      {tensor(`{"dtype":"U8","shape":[1],"data_offsets":{"0":1}}`, 1), "data_offsets: expected a list"},
		"offsets negative":          {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}`, 1), "got -1"},
		"offsets fraction":          {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[0,1.5]}`, 1), "got 1.5"},
		"offsets backwards":         {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[1,0]}`, 1), "end before they begin"},
		"offsets backwards, wrap":   {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775807,0]}`, 1), "end before they begin"},
		"first byte belongs nobody": {tensor(`{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`, 2), "leave a hole after byte 0"},
		"beyond the end":            {tensor(`{"dtype":"U8","shape":[9],"data_offsets":[0,9]}`, 8), "truncated"},
		"far beyond the end":        {tensor(`{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}`, 8), "truncated"},
		"bytes after the last":      {tensor(`{"dtype":"U8","shape":[7],"data_offsets":[0,7]}`, 8), "1 bytes belong to no tensor"},
		"bytes but no tensor":       {fileBytes(`{}`, 1), "1 bytes belong to no tensor"},
		"hole":                      {two("0,4", "5,9", 9), `tensor "b": data_offsets [5, 9] leave a hole after byte 4`},
		"overlap":                   {two("0,4", "3,7", 7), `overlap those of "a"`},
		"same bytes":                {two("0,4", "0,4", 4), `overlap those of "a"`},
		"overlap, other order":      {two("3,7", "0,4", 7), `overlap those of "b"`},
		"inside another":            {fileBytes(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}`, 8), "overlap"},
		"empty inside another":      {fileBytes(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 8), "overlap"},
		"empty beyond the end":      {fileBytes(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[9,9]}}`, 8), "hole"},
		"ten tensors, same bytes":   {fileBytes("{"+strings.TrimSuffix(strings.Repeat(`"@":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},`, 10), ",")+"}", 4), "comes twice"},
	}
	for _, dtype := range []string{"F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "U16", "U32", "U64", "C64", "float32", ""} {
		files["dtype "+dtype] = file{tensor(`{"dtype":"`+dtype+`","shape":[0],"data_offsets":[0,0]}`, 0), "is not supported (supported: F64, F32, F16, BF16"}
	}
	valid := fileBytes(three, 15)
	for length := range valid {
		files["truncated to "+string(rune('0'+length/100))+string(rune('0'+length/10%10))+string(rune('0'+length%10))] = file{valid[:length], ""}
	}
	return files
}

// Every broken rule and every truncation is an error that names the file, from memory and from disk, and takes no memory
// to speak of.
func TestMalformed(t *testing.T) {
	files := malformed()
	dir := t.TempDir()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, file := range files {
		_, err := Parse("dir/x.safetensors", file.data)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "safetensors: dir/x.safetensors: ") || !strings.Contains(err.Error(), file.want) {
			t.Errorf("%s: got %q, expected it to name the file and contain %q", name, err, file.want)
		}
		path := filepath.Join(dir, "x.safetensors")
		if err := os.WriteFile(path, file.data, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open: got %v, expected an error with the path", name, err)
		}
	}
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<20 {
		t.Errorf("%d files took %d bytes of memory", len(files), spent)
	}
	if len(files) < 300 {
		t.Errorf("only %d files", len(files))
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	if err := os.WriteFile(path, fileBytes(three, 15), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := f.Tensor("a"); !bytes.Equal(a.Data, []byte{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("a holds %v", a.Data)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing"), os.DevNull} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestRewriteKeepsTheHeader(t *testing.T) {
	dir := t.TempDir()
	original := fileBytes(three, 15)
	f, err := Parse("three", original)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "copy")
	err = f.Rewrite(path, func(tensor Tensor, w io.Writer) error {
		data := slices.Clone(tensor.Data)
		if tensor.Name == "b" {
			data[0] = 99
		}
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(original)
	want[len(want)-15+8] = 99
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
		t.Error("the copy differs in more than the value that was changed")
	}
	err = f.Rewrite(path, func(_ Tensor, w io.Writer) error { _, err := w.Write([]byte{1}); return err })
	if err == nil || !strings.Contains(err.Error(), `tensor "a": expected 8 bytes, its writer sent 1`) {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
		t.Error("a failed Rewrite changed the file")
	}
}

// What is accepted can be written and read again, equal; and nothing panics.
func FuzzParse(f *testing.F) {
	f.Add(fileBytes(three, 15))
	for _, file := range malformed() {
		f.Add(file.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		var outputs []Output
		total := 0
		for _, tensor := range first.Tensors() {
			if tensor.Len()*tensor.DType.Size() != len(tensor.Data) {
				t.Fatalf("tensor %q: %v of %s has %d bytes", tensor.Name, tensor.Shape, tensor.DType, len(tensor.Data))
			}
			total += len(tensor.Data)
			outputs = append(outputs, tensor.Output())
		}
		header, err := buildHeader(outputs, first.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		again := append(fileBytes(string(header), 0), data[len(data)-total:]...)
		second, err := Parse("again", again)
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, first, second)
	})
}

func expectEqual(t *testing.T, first, second *File) {
	t.Helper()
	if !maps.Equal(first.Metadata(), second.Metadata()) {
		t.Errorf("metadata %v, expected %v", second.Metadata(), first.Metadata())
	}
	if len(first.Tensors()) != len(second.Tensors()) {
		t.Fatalf("%d tensors, expected %d", len(second.Tensors()), len(first.Tensors()))
	}
	for i, a := range first.Tensors() {
		b := second.Tensors()[i]
		if a.Name != b.Name || a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Data, b.Data) {
			t.Errorf("tensor %d: got %+v, expected %+v", i, b, a)
		}
	}
}
