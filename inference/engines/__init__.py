"""What computes: one small seam (`seam`), an engine a file, and the choice between them (`choice`)."""
