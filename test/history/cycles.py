"""Cycles of dependencies between operations. Edges: ww (the next version of a key was written by another operation),
wr (somebody read what another wrote), process (the next operation of a process), realtime (invoked after the other was
complete). Nodes behind the operations stand for moments, so that the last kind costs one edge an operation."""

import collections


def edges_of(facts, with_versions):
    """[node] of lists of (node, kind)."""
    ops = facts.ops
    edges = [[] for _ in range(2 * len(ops))]
    for key, order in facts.order.items():
        writers = facts.writer.get(key, {})
        before = None
        for value in order:
            writer = writers.get(value)
            if with_versions and before is not None and writer is not None and writer is not before:
                edges[before.number].append((writer.number, "ww"))
            before = writer
    for op in ops:
        for key, _, value in op.polls:
            writer = facts.writer.get(key, {}).get(value)
            if writer is not None and writer is not op:
                edges[writer.number].append((op.number, "wr"))
    return edges


def add_times(ops, edges):
    """The order of each process, and a chain of moments, one for each end of an operation that is known."""
    last = {}
    for op in sorted(ops, key=lambda each: each.invoked):
        before = last.get(op.process)
        if before is not None and before.type != "info":
            edges[before.number].append((op.number, "process"))
        last[op.process] = op
    moments = sorted((op for op in ops if op.type == "ok"), key=lambda each: each.completed)
    first = len(ops)
    for number, op in enumerate(moments):
        edges[op.number].append((first + number, "realtime"))
        if number > 0:
            edges[first + number - 1].append((first + number, "realtime"))
    number = 0
    for op in sorted(ops, key=lambda each: each.invoked):
        while number < len(moments) and moments[number].completed < op.invoked:
            number += 1
        if number > 0:
            edges[first + number - 1].append((op.number, "realtime"))


def in_cycles(edges):
    """The nodes that may be in one: what is left when those without a predecessor are taken away again and again."""
    degree = [0] * len(edges)
    for targets in edges:
        for target, _ in targets:
            degree[target] += 1
    ready = [node for node, count in enumerate(degree) if count == 0]
    while ready:
        for target, _ in edges[ready.pop()]:
            degree[target] -= 1
            if degree[target] == 0:
                ready.append(target)
    return {node for node, count in enumerate(degree) if count > 0}


def components(edges, nodes):
    """Strongly connected components of more than one node (Tarjan's, without recursion)."""
    index, low, on_stack, stack, out = {}, {}, set(), [], []
    for root in sorted(nodes):
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target, _ in targets:
                if target not in nodes:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    out.append(take_component(stack, on_stack, node))
    return [each for each in out if len(each) > 1]


def take_component(stack, on_stack, node):
    found = set()
    while node not in found:
        found.add(stack.pop())
    on_stack -= found
    return found


def shortest(edges, component, kinds):
    """A cycle of the component by edges of these kinds alone: nodes and kinds in turn; None without one."""
    for start in sorted(component):
        came, todo = {}, collections.deque([start])
        while todo:
            node = todo.popleft()
            for target, kind in edges[node]:
                if target not in component or kind not in kinds:
                    continue
                if target == start:
                    return path_to(came, node, start) + [kind, start]
                if target not in came:
                    came[target] = (node, kind)
                    todo.append(target)
    return None


def path_to(came, node, start):
    path = [node]
    while path[0] != start:
        before, kind = came[path[0]]
        path[:0] = [before, kind]
    return path


READS = "G1c"
NAMES = ((READS, {"wr"}), ("G1c-process", {"wr", "process"}),
         ("G1c-realtime", {"wr", "process", "realtime"}))
# One of reads alone is told without versions.
NAMES_WITH_VERSIONS = (("G0", {"ww"}), (READS, {"wr"}), ("G1c-ww", {"ww", "wr"}))


def find(facts, with_versions):
    """(name of the anomaly, cycle) of each component: the plainest kinds of edges that do for one."""
    edges = edges_of(facts, with_versions)
    if not with_versions:
        add_times(facts.ops, edges)
    nodes = in_cycles(edges)
    for component in components(edges, nodes):
        for name, kinds in NAMES_WITH_VERSIONS if with_versions else NAMES:
            cycle = shortest(edges, component, kinds)
            if cycle is not None:
                if name != READS or not with_versions:
                    yield name, [each for each in cycle if isinstance(each, str) or each < len(facts.ops)]
                break
