"""What a data set holds before anything is trained on it: duplicates, leaks, broken and odd files, doubtful labels.

files (found) -> facts of each, in one pass (looking) -> duplicates, outliers, labels -> AuditReport -> audit folder
"""
