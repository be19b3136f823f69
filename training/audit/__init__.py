"""An audit of a data set before training: duplicates, leaks, broken and odd files, doubtful labels.

files -> facts of each, in one pass (measuring) -> duplicates, outliers, labels -> AuditReport -> audit folder
"""
