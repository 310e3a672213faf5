"""Reports: one call or many, for a terminal, a browser, a spreadsheet or a program."""
