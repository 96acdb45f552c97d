"""xend: the daemon in domain 0. One HTTP API over a UNIX socket and TLS; `python3 -m domus.daemon`.

__main__      options, and the order of things
wiring        opens what xend is made of, and closes it again
listeners     the two sockets, one application behind them, no timers while nobody asks
protocol      a connection: who is calling, how long a request's head may be
door          every request passes it: errors become answers, each gets its line in the log
routes        one small file per noun; `routes.table` is the whole API as data
consoles      one relay per domain between its pty and those who watch
"""
