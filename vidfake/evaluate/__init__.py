"""Any number of detectors on any number of datasets: scores, figures, report."""
