package cpu

// A rowOp is an operation that computes its rows independently of each other; *O holds its operands.
type rowOp[O any] interface {
	*O
	rowWorker
}

type rowWorker interface {
	row(w *worker, r int)
}

// A rowJob runs a rowOp on the rows task*step to (task+1)*step.
type rowJob struct {
	op         rowWorker
	rows, step int
}

func (j *rowJob) do(w *worker, task int) {
	for r := task * j.step; r < min((task+1)*j.step, j.rows); r++ {
		j.op.row(w, r)
	}
}

// grain is how many elements a task should read at least to be worth a thread.
const grain = 16 << 10

// eachRow runs the operation on rows 0 to rows, of about cost elements each, spread over the workers. The operands lie in
// slot, a field of the device, only while the operation runs: a call allocates nothing, and no buffer outlives its tensor.
func eachRow[O any, P rowOp[O]](d *Device, slot P, operands O, rows, cost int) {
	*slot = operands
	j := &d.ops.rows
	*j = rowJob{op: slot, rows: rows, step: max(1, grain/max(cost, 1))}
	d.pool.run((rows+j.step-1)/j.step, j)
	j.op = nil
	var none O
	*slot = none
}

// operations has a place for the operands of every operation; see eachRow.
type operations struct {
	rows     rowJob
	product8 product8

	product16 product16
	narrowing narrowing

	fill              fill
	combine           combine
	addRow            addRow
	columnDot         columnDot
	scaleColumns      scaleColumns
	rowSquares        rowSquares
	gatherRows        gatherRows
	scatterAddRows    scatterAddRows
	squaredNorm       squaredNorm
	rmsNorm           rmsNorm
	rmsNormBackward   rmsNormBackward
	rope              rope
	swiglu            swiglu
	swigluBackward    swigluBackward
	crossEntropy      crossEntropy
	blockSums         blockSums
	blockScores       blockScores
	adamw             adamw
	gemm              gemm
	skinny            skinny
	blockProduct      blockProduct
	blockGradient     blockGradient
	attention         attention
	attentionBackward attentionBackward
}
