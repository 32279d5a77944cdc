import pytest

from ivr.config.arguments import prepare


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("algo=sqll", "algo=sqll is unknown: did you mean sql"),
        ("algo=sql,eqll", "algo=eqll is unknown: did you mean eql"),
        ("dataset=antmaze-medium-ply", "did you mean antmaze-medium-play"),
        ("protocol=papers", "did you mean paper"),
        ("noise=mixed", "noise=mixed is unknown: did you mean mix"),
        ("subset=fractions", "did you mean fraction"),
        ("normalize=standrad", "did you mean standard"),
        ("experiment=noisy", "did you mean noisy_data"),
        ("subset.keep=0.1", r"unknown key subset\.keep"),
        ("alhpa=0.5", "unknown key alhpa: did you mean alpha"),
        ("algo.hiden=[8]", r"unknown key algo\.hiden: did you mean algo\.hidden"),
        ("dataset.pth=x", r"unknown key dataset\.pth: did you mean dataset\.path"),
        ("resume=nowhere.ckpt", r"no checkpoint at nowhere\.ckpt"),
        ("resume=auto", r"hydra\.run\.dir"),
        ("seed=[0,1", r"cannot read seed=\[0,1"),
    ],
)
def test_a_misspelt_word_ends_the_program_before_anything_is_made(word, message):
    with pytest.raises(SystemExit, match=message):
        prepare([word])


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_folder_that_cannot_be_made_is_told(key, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=f"{key}=.*nothing can be written into .*file"):
        prepare([f"{key}={tmp_path / 'file' / 'run'}"])
    words = [f"{key}={tmp_path / 'new' / 'run'}"]
    assert prepare(words) == words and not (tmp_path / "new").exists()


def test_good_words_pass_through():
    words = ["algo=eql", "dataset=antmaze-umaze", "seed=[0,1]", "--cfg", "job"]
    assert sorted(prepare(words)) == sorted(words)
    swept = ["--multirun", "algo=sql,eql", "alpha=0.1,0.5"]
    assert sorted(prepare(swept)) == sorted(swept)


def test_a_launcher_has_a_sweep_to_launch():
    with pytest.raises(SystemExit, match=r"launcher=joblib sends out .* give sweep=NAME too"):
        prepare(["launcher=joblib"])
    prepare(["launcher=none"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "seed=0,1",
            r"seed=0,1 has several values: sweep=NAME trains each\. 'seed=\[0,1\]' trains",
        ),
        ("seed=range(0,3)", r"seed=range\(0,3\) has several values: sweep=NAME trains each\.$"),
        ("algo=sql,iql", r"algo=sql,iql has several values: sweep=NAME trains each\.$"),
        ("hydra.launcher.n_jobs=4", r"hydra\.launcher\.n_jobs: give the launcher too"),
        ("hydra.sweeper.n_trials=5", r"hydra\.sweeper\.n_trials: give hparams_search=optuna too"),
    ],
)
def test_what_only_a_sweep_has_names_the_word_that_is_lacking(word, message):
    with pytest.raises(SystemExit, match=message):
        prepare([word])
    with pytest.raises(SystemExit, match=message):
        prepare([word, "experiment=none"])
    if not word.startswith("hydra."):
        assert prepare(["sweep=night", word])


@pytest.mark.parametrize("key", ["callbacks.early_stopping.patience", "logger.wandb.project"])
def test_an_option_of_a_choice_that_was_not_made_names_the_choice(key):
    group, choice, _ = key.split(".")
    with pytest.raises(SystemExit, match=f"{key}: .* give {group}={choice} too"):
        prepare([f"{key}=3"])
