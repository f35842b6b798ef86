"""LightGBM with native categories and early stopping."""

import lightgbm
from protocol import Task

SPACE = {
    "learning_rate": [0.01, 0.02, 0.03, 0.05, 0.1],
    "num_leaves": [7, 15, 31, 63],
    "min_child_samples": [5, 20, 50, 100],
    "colsample_bytree": [0.5, 0.7, 0.9, 1.0],
    "subsample": [0.6, 0.8, 1.0],
    "reg_lambda": [0.0, 1.0, 5.0, 20.0],
    "cat_smooth": [10, 30, 100],
}

task = Task()


def fit(params):
    defaults = {"n_estimators": 5000, "learning_rate": 0.05, "subsample_freq": 1, "verbose": -1}
    model = lightgbm.LGBMClassifier(**{**defaults, **params}, random_state=task.seed, n_jobs=task.threads)
    model.fit(
        task.train_rows.x,
        task.train_rows.y,
        eval_set=[(task.valid_rows.x, task.valid_rows.y)],
        callbacks=[lightgbm.early_stopping(50, verbose=False)],
    )
    return model, model.predict_proba


model, predict = task.search(fit, SPACE)
text = model.booster_.model_to_string(num_iteration=model.best_iteration_)
leaves = sum(len(line.split("=")[1].split()) for line in text.splitlines() if line.startswith("leaf_value="))
task.notes.append(f"lightgbm {lightgbm.__version__}, {model.best_iteration_} trees")
task.answer(predict, parameters=2 * leaves, bytes=len(text))
