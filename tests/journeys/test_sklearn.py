"""Journey: the kernel in scikit-learn, chosen by cross-validation, in a Gaussian process, and for many rows."""

SCRIPT = """\
import numpy as np
from sklearn.datasets import load_digits, make_friedman1
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

from quasintk.sklearn import LowRankRidge, QuasiNTK

X, y = load_digits(return_X_y=True)
X = X - X.mean(axis=0)
X /= np.linalg.norm(X, axis=1, keepdims=True) / np.sqrt(X.shape[1])
train, test, y_train, y_test = train_test_split(X, y, train_size=400, random_state=0)

grid = {"C": [1, 100], "kernel__depth": [1, 2], "kernel__weights": ["binary", "real"]}
search = GridSearchCV(SVC(kernel=QuasiNTK("relu")), grid, cv=3).fit(train, y_train)
print("svc", search.score(test, y_test))

X, y = make_friedman1(300, random_state=0)
X, y = X - 0.5, (y - y.mean()) / y.std()
kernel = QuasiNTK("relu", depth=2, W_std=1.4) + WhiteKernel(1.0)
process = GaussianProcessRegressor(kernel, normalize_y=True).fit(X[:200], y[:200])
print("gp", process.score(X[200:], y[200:]), process.kernel_.k1.W_std != 1.4)

search = GridSearchCV(LowRankRidge(QuasiNTK("relu"), rank=100), {"kernel__depth": [1, 2], "alpha": [1e-3, 1e-1]})
search.fit(X[:200], y[:200])
print("ridge", search.score(X[200:], y[200:]), sorted(search.best_params_))
print("pca", KernelPCA(2, kernel=QuasiNTK("relu")).fit_transform(X).shape)
"""


def test_in_scikit_learn(installed, tmp_path):
    (tmp_path / "learn.py").write_text(SCRIPT)
    done = installed.run("python", "learn.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert float(found["svc"]) > 0.95
    score, moved = found["gp"].split()
    assert float(score) > 0.8
    assert moved == "True"
    score, names = found["ridge"].split(maxsplit=1)
    assert float(score) > 0.8
    assert names == "['alpha', 'kernel__depth']"
    assert found["pca"] == "(300, 2)"
