def html(board, records): return "<!doctype html><title>SparseBench</title>"
def pareto(board): return "<svg xmlns='http://www.w3.org/2000/svg'/>"
