package report

import (
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"testing"
)

// picture decodes a PNG and counts its colours.
func picture(t *testing.T, path string) (image.Image, int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	return img, len(colours)
}

func TestLossCurve(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loss.png")
	if err := LossCurve(path, "a title", []Series{{"warm-up", []float64{1, 2, 3}, []float64{3, 2.5, 2}}, {"tuning", []float64{4, 5}, []float64{1.5, 1}}}); err != nil {
		t.Fatal(err)
	}
	if img, colours := picture(t, path); img.Bounds().Dx() < 600 || colours < 10 {
		t.Errorf("a picture of %v with %d colours", img.Bounds(), colours)
	}
}

func TestHeatMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "map.png")
	if err := HeatMap(path, "a title", []string{"0", "1"}, []string{"q_proj", "v_proj"}, [][]float64{{0.1, 0.5}, {0, 0.4}}); err != nil {
		t.Fatal(err)
	}
	if _, colours := picture(t, path); colours < 10 {
		t.Errorf("%d colours: cells cannot be told apart", colours)
	}
	if err := HeatMap(filepath.Join(t.TempDir(), "none", "map.png"), "t", []string{"0"}, []string{"q"}, [][]float64{{0}}); err == nil {
		t.Error("a directory that is not there is no error")
	}
}
