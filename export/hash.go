package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"smt/format/safetensors"
)

// hashChunk is how many bytes of a tensor one processor hashes at a time, so that a large embedding is spread over all.
const hashChunk = 4 << 20

// BaseSHA256 identifies the weights of a model, in 64 hexadecimal digits. It is the SHA-256 sum of one line for each
// tensor, sorted by name: the name quoted as in Go, the dtype, the shape, and the SHA-256 sum of the concatenated SHA-256
// sums of its bytes in chunks of 4 MiB. How a model is cut into shards makes no difference.
func BaseSHA256(model *safetensors.Model) string {
	type chunk struct {
		data []byte
		sum  [sha256.Size]byte
	}
	var chunks []chunk
	for _, name := range model.Names() {
		t, _ := model.Tensor(name)
		for first := 0; first < len(t.Data); first += hashChunk {
			chunks = append(chunks, chunk{data: t.Data[first:min(first+hashChunk, len(t.Data))]})
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(chunks)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chunks)); i = next.Add(1) - 1 {
				chunks[i].sum = sha256.Sum256(chunks[i].data)
			}
		})
	}
	workers.Wait()

	whole := sha256.New()
	for _, name := range model.Names() {
		t, _ := model.Tensor(name)
		tensor := sha256.New()
		for range (len(t.Data) + hashChunk - 1) / hashChunk {
			tensor.Write(chunks[0].sum[:])
			chunks = chunks[1:]
		}
		fmt.Fprintf(whole, "%q %s %v %x\n", name, t.DType, t.Shape, tensor.Sum(nil))
	}
	return hex.EncodeToString(whole.Sum(nil))
}

// CheckBase returns an error if the adapter was trained on other weights than those of model. It reads all of them.
func (a *Adapter) CheckBase(model *safetensors.Model) error {
	if got := BaseSHA256(model); got != a.BaseSHA256 {
		return fmt.Errorf("export: the adapter belongs to base %q with hash %s, but the weights given have %s: "+
			"its blocks fit no other weights", a.BaseModel, a.BaseSHA256, got)
	}
	return nil
}

func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}
