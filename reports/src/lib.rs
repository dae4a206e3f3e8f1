//! Pictures, HTML reports and tables. Empty so far: tables are printed by the command line.
