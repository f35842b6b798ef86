"""CatBoost with native categories and early stopping."""

import catboost
import numpy
from protocol import Task

SPACE = {
    "learning_rate": [0.02, 0.03, 0.05, 0.1],
    "depth": [4, 5, 6, 8],
    "l2_leaf_reg": [1, 3, 10, 30],
    "random_strength": [0.5, 1, 2],
}

task = Task()
names = [f"c{at}" for at, column in enumerate(task.columns) if column["kind"] == "category"]


def words(x):
    """CatBoost wants categories as words, also where there is none."""
    x = x.copy()
    for name in names:
        x[name] = x[name].astype(object).where(x[name].notna(), "missing").astype(str)
    return x


def fit(params):
    defaults = {"iterations": 5000, "learning_rate": 0.05}
    model = catboost.CatBoostClassifier(
        **{**defaults, **params},
        cat_features=names,
        loss_function="Logloss" if len(task.classes) == 2 else "MultiClass",
        random_seed=task.seed,
        thread_count=task.threads,
        od_type="Iter",
        od_wait=50,
        allow_writing_files=False,
        verbose=False,
    )
    valid = (words(task.valid_rows.x), task.valid_rows.y)
    model.fit(words(task.train_rows.x), task.train_rows.y, eval_set=valid, use_best_model=True)
    return model, lambda x: model.predict_proba(words(x))


model, predict = task.search(fit, SPACE)
leaves = int(numpy.sum(model.get_tree_leaf_counts()))
task.notes.append(f"catboost {catboost.__version__}, {model.tree_count_} trees")
task.answer(predict, parameters=leaves)
