"""Logistic regression with an L2 penalty, and scores of it.

The solver is scikit-learn's lbfgs, as the authors': it stops where the mean loss has a gradient below 1e-4, in the
precision of the features, so that another solver's coefficients differ in the fourth digit.
"""

from __future__ import annotations

import numpy as np

from zoo.targets import require


def fit(x: np.ndarray, labels: np.ndarray, *, C: float, max_iter: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Minimise 1/2 ||w||^2 + C sum log loss, with a free intercept.

    Args:
        x: (samples, features).
        labels: (samples,); two kinds, or more for a softmax.
        C: inverse strength of the penalty.
        max_iter: steps.

    Returns:
        Coefficients (1, features) and intercept (1,) of the log odds of the larger label; (classes, ...) for a softmax.
    """
    linear = require("sklearn.linear_model", needed_by="probes of beliefs")
    model = linear.LogisticRegression(C=C, max_iter=max_iter, solver="lbfgs").fit(x, labels)
    return model.coef_, model.intercept_


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive sample has the larger score; 0.5 where one kind is missing."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        return 0.5
    difference = positive[:, None] - negative[None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def log_loss(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean log loss of log odds."""
    return float((np.logaddexp(0.0, scores) - labels * scores).mean())
