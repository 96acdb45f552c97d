"""xl.cfg: plain assignments of strings, numbers and lists (xl.cfg(5)); never a program."""
