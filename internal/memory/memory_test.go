package memory

import "testing"

func TestPeakSeesMemoryInUse(t *testing.T) {
	before := PeakRSS()
	if before == 0 {
		t.Skip("this system does not tell the peak memory")
	}
	ballast := make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	after, now := PeakRSS(), RSS()
	if after < before || after < 64 || ballast[0] != 1 {
		t.Errorf("peak: got %g MiB, then %g with 64 MiB in use", before, after)
	}
	if now != 0 && (now < 64 || now > after+1) {
		t.Errorf("resident memory: got %g MiB with 64 MiB in use and a peak of %g", now, after)
	}
}
