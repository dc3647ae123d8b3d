// Package memory tells how much physical memory the process holds, in MiB. Pages of mapped files that were read count.
// Where the system does not tell, the answer is 0.
package memory
