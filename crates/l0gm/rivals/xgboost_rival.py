"""XGBoost with native categories and early stopping."""

import xgboost
from protocol import Task

SPACE = {
    "learning_rate": [0.01, 0.02, 0.03, 0.05, 0.1],
    "max_depth": [3, 4, 5, 6, 8],
    "min_child_weight": [1, 3, 10, 30],
    "colsample_bytree": [0.3, 0.5, 0.7, 1.0],
    "subsample": [0.6, 0.8, 1.0],
    "reg_lambda": [0.5, 1.0, 5.0, 20.0],
    "max_cat_to_onehot": [1, 8, 64],
}

task = Task()


def fit(params):
    defaults = {"n_estimators": 5000, "learning_rate": 0.05}
    model = xgboost.XGBClassifier(
        **{**defaults, **params},
        tree_method="hist",
        enable_categorical=True,
        early_stopping_rounds=50,
        eval_metric="logloss" if len(task.classes) == 2 else "mlogloss",
        random_state=task.seed,
        n_jobs=task.threads,
    )
    model.fit(task.train_rows.x, task.train_rows.y, eval_set=[(task.valid_rows.x, task.valid_rows.y)], verbose=False)
    return model, model.predict_proba


model, predict = task.search(fit, SPACE)
booster = model.get_booster()[: model.best_iteration + 1]
nodes = len(booster.trees_to_dataframe())
task.notes.append(f"xgboost {xgboost.__version__}, {model.best_iteration + 1} rounds")
task.answer(predict, parameters=nodes, bytes=len(booster.save_raw("ubj")))
