"""What computes logits: one small interface (`seam`), an engine a file, and the choice between them (`choice`)."""
