"""From a query to accounted answers: plan, rankers, fusion, explanations."""
