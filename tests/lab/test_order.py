from fsapp.lab.order import OrderChecker


def checker(**serves):
    return OrderChecker(lambda agent: serves.get(agent, ("a",)))


def joined(order, member, base_score, joined_at=0.0, queue="a"):
    order.observe({"event": "queue_joined", "uuid": f"call-{member}", "member": member, "queue": queue,
                   "base_score": base_score, "joined_at": joined_at})


def offered(order, member, at=10.0, agent="1", queue="a"):
    order.observe({"event": "offered", "member": member, "agent": agent, "queue": queue, "at": at})


def test_the_best_claim_first_is_in_order():
    order = checker()
    joined(order, "x", 10)
    joined(order, "y", 20)
    offered(order, "y")
    offered(order, "x")
    assert order.violations == []


def test_somebody_passed_over_is_found():
    order = checker()
    joined(order, "x", 10)
    joined(order, "y", 20)
    offered(order, "x")
    assert [(found.offered, found.passed_over) for found in order.violations] == [("call-x", "call-y")]


def test_somebody_passed_over_in_another_queue_of_the_agent_is_found():
    order = checker(both=("a", "b"), one=("a",))
    joined(order, "x", 10)
    joined(order, "y", 20, queue="b")
    offered(order, "x", agent="one")
    assert order.violations == []
    order.observe({"event": "not_answered", "member": "x", "waits": True})
    offered(order, "x", agent="both")
    assert len(order.violations) == 1


def test_waiting_longer_counts_and_breaks_ties():
    order = checker()
    joined(order, "x", 10, joined_at=0)
    joined(order, "y", 12, joined_at=5)
    offered(order, "y")
    assert len(order.violations) == 1
    order = checker()
    joined(order, "x", 10, joined_at=0)
    joined(order, "y", 15, joined_at=5)
    offered(order, "y")
    assert len(order.violations) == 1


def test_who_has_only_just_joined_is_excused():
    order = checker()
    joined(order, "x", 10)
    joined(order, "y", 20, joined_at=9.95)
    offered(order, "x", at=10.0)
    assert order.violations == []
    joined(order, "z", 10, joined_at=9.99)
    offered(order, "z", at=11.0)
    assert [found.passed_over for found in order.violations] == ["call-y"]


def test_who_is_being_offered_talks_or_is_gone_is_excused():
    for end in ("answered", "left"):
        order = checker()
        joined(order, "x", 10)
        joined(order, "y", 20)
        joined(order, "z", 30)
        offered(order, "z")
        order.observe({"event": end, "member": "y"})
        offered(order, "x")
        assert order.violations == []
