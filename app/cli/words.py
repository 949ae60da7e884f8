"""Answers as lines to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def session_lines(answer: Mapping) -> list[str]:
    """A session in words."""
    from app.ui import wording

    quality = answer["quality"]
    lines = [
        f"{answer['session']}: {wording.STATUS.get(answer['status'], answer['status'])}",
        f"  quality {quality['grade']}, usable share {share(quality['usable_share'])}",
        *(f"  reason: {reason}" for reason in answer["reasons"]),
        *(f"  warning {warning['code']}: {warning['text']}" for warning in answer["warnings"]),
    ]
    model = answer["model"]
    if model:
        accuracy = model["balanced_accuracy"]
        known = "not known" if accuracy is None else f"{accuracy:.2f} (chance 0.50)"
        lines.append(f"  model {model['name']} {model['version']}, trained on {model['basis']}")
        lines.append(f"  balanced accuracy on unseen subjects: {known}")
    lines += [f"  {name}: {value_words(value)}" for name, value in answer["predictions"].items()]
    state = answer["state"]
    lines.append(f"  state: {not_computed(state) if 'not_computed' in state else state['words']}")
    lines += [f"  {name}: {value_words(value)}" for name, value in answer["markers"].items()]
    lines += [f"  insight ({item['severity']}): {item['text']}" for item in answer["insights"]]
    return [*lines, wording.FOOTER]


def replay_lines(answer: Mapping) -> list[str]:
    """A replay in words: whether all is the same, else each difference with both numbers."""
    from app.ui import wording

    lines = [f"{answer['session']}: {wording.replayed(answer['measures'])}"]
    for row in answer["measures"]:
        if not row["same"]:
            stored, replayed = wording.exact(row["stored"]), wording.exact(row["replayed"])
            lines.append(f"  {row['measure']}: stored {stored}, computed again {replayed}")
    return lines + [f"  {note}" for note in answer["notes"]]


def history_lines(answer: Mapping) -> list[str]:
    """A history in words, a line for each session."""
    lines = [f"{answer['patient']}: {answer['total']} sessions"]
    for row in answer["sessions"]:
        both = {**row["predictions"], **row["markers"]}
        values = ", ".join(f"{name} {value_words(v)}" for name, v in both.items() if "not_computed" not in v)
        source = "imported" if row["imported"] else f"{row['status']}, usable {share(row['usable_share'])}"
        lines.append(f"  {row['session']}  {row['started_at']}  {source}  {values}".rstrip())
    return lines


def insight_lines(answer: Mapping) -> list[str]:
    """Insights in words, a line for each."""
    lines = [f"{answer['patient']}: {len(answer['insights'])} insights, preset {answer['preset']}"]
    for item in answer["insights"]:
        lines.append(f"  {item['session']}  {item['kind']} ({item['severity']}): {item['text']}")
        lines.append(f"    n {item['n']}, expected by chance {item['expected_by_chance']:.2g} per 20 sessions")
    return lines


def model_lines(answer: list[Mapping]) -> list[str]:
    """Bundles in words."""
    if not answer:
        return ["No model is installed. Markers are computed without one."]
    lines = []
    for model in answer:
        accuracy = model["balanced_accuracy"]
        known = "not known" if accuracy is None else f"{accuracy:.2f}"
        inputs = signals(model["inputs"])
        lines.append(f"{model['name']} {model['version']}: {', '.join(model['targets'])} from {inputs}")
        lines.append(f"  trained on {model['basis']}; balanced accuracy on unseen subjects {known}")
        if model["default"]:
            lines.append(f"  used by default on recordings with {inputs}")
        lines.append(f"  {model['state']}: {model['why']}")
        if model["problem"]:
            lines.append(f"  not usable: {model['problem']}")
    return lines


def change_lines(answer: Mapping) -> list[str]:
    """Sessions with a model and without it."""
    lines = [f"{answer['model']} {answer['version']} on {answer['n_sessions']} sessions: "
             f"{answer['n_changed']} of {len(answer['rows'])} labels would be others"]  # fmt: skip
    for row in answer["rows"]:
        with_it, without = value_words(_index(row["with_it"])), value_words(_index(row["without_it"]))
        lines.append(f"  {row['session']} {row['target']}: {with_it}; without it ({row['other'] or 'none'}) {without}")
    return lines + [f"  {row['session']} left out: {row['why']}" for row in answer["left_out"]]


def _index(value: Mapping) -> Mapping:
    return {"p_high": value["value"], **value} if "value" in value else value


def value_words(value: Mapping) -> str:
    """A prediction or marker in words."""
    if "not_computed" in value:
        return not_computed(value)
    if "p_high" in value:
        interval = f" ({value['low']:.2f} to {value['high']:.2f})" if isinstance(value.get("low"), float) else ""
        return f"{value['p_high']:.2f}{interval} {value['label']}"
    return f"{value['value']:.4g} {value['unit']}"


def not_computed(value: Mapping) -> str:
    """Why there is no value, in words."""
    from app.ui import wording

    reason = value["not_computed"]
    return f"not computed: {wording.REASONS.get(reason, reason)}"


def share(value: float | Mapping) -> str:
    """A share of 0-1 as per cent."""
    return not_computed(value) if isinstance(value, Mapping) else f"{value:.0%}"


def study_lines(answer: Mapping) -> list[str]:
    """An imported study in words."""
    lines = [
        f"{answer['study']}: {answer['n_subjects']} subjects, {answer['n_trials']} trials; {answer['basis']}",
        f"  inputs {signals(answer['inputs']) if answer['inputs'] else 'ready features only'}; "
        f"licence {in_words(answer['licence'])}",
    ]
    for target, scale in answer["scales"].items():
        lines.append(
            f"  {target}: {scale['lowest']:g} to {scale['highest']:g}, High is {scale['high']} {scale['cut']:g}"
        )
    lines += [f"  note: {note}" for note in answer["notes"]]
    if answer["left_out"]:
        lines.append(f"  {len(answer['left_out'])} left out:")
    lines += [f"    {t['subject']} {t['trial'] or 'all'} ({t['code']}): {t['text']}" for t in answer["left_out"]]
    return lines


def pair_lines(answer: Mapping) -> list[str]:
    """Names and values."""
    return [f"{name}: {in_words(value, name)}" for name, value in answer.items()]


def in_words(value: object, name: str = "") -> str:
    """A value as a person writes it; of ``inputs`` the signals."""
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return signals(value) if name == "inputs" else ", ".join(map(in_words, value))
    return str(value)


def signals(inputs: Iterable[str]) -> str:
    """EEG + ECG, or none."""
    from app.ui import wording

    return " + ".join(wording.CHANNEL_TYPES.get(t, t) for t in inputs) or "none"


def _holds_more(item: object) -> bool:
    return isinstance(item, Mapping | list | tuple)


def nested_lines(answer: Mapping, indent: str = "") -> list[str]:
    """An object of objects, indented; long lists are only counted."""
    lines: list[str] = []
    for name, value in answer.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{name}:", *nested_lines(value, indent + "  ")]
        elif isinstance(value, list | tuple) and (len(value) > 12 or any(map(_holds_more, value))):
            lines.append(f"{indent}{name}: {len(value)} entries")
        else:
            lines += [indent + line for line in pair_lines({name: value})]
    return lines


def table_lines(answer: list[Mapping]) -> list[str]:
    """A line for each row."""
    return ["; ".join(f"{name} {in_words(value, name)}" for name, value in row.items()) for row in answer] or ["none"]


def experiment_lines(answer: Mapping) -> list[str]:
    """The scores of an experiment beside chance."""
    from app.ui import wording

    trial, mark = answer["trial"], leaky(answer["split"])
    lines = [
        f"{answer['experiment']}: {answer['study']}, {answer['target']} from {answer['inputs']} by {answer['model']} "
        f"({answer['fusion']}), {answer['split']}, seed {answer['seed']}",
        f"  {answer['n_subjects']} subjects, {answer['n_trials']} trials, {answer['n_windows']} windows",
        *([f"  {wording.LEAKY}"] if mark else []),
    ]
    names = [name for name, value in trial.items() if isinstance(value, Mapping) and "value" in value]
    lines += [f"  {name.replace('_', ' ')}: {interval(trial[name])}{mark}" for name in names]
    if "chance" in trial:
        low, high = trial["chance"]["low"], trial["chance"]["high"]
        lines.append(f"  a coin reaches {low:.2f} to {high:.2f} balanced accuracy")
        lines.append(f"  the majority class is right in {trial['majority_accuracy']:.2f}")
    return lines


def leaky(split: str) -> str:
    """What follows every score of a leaky split; nothing for another."""
    from app.ui import wording
    from core.evaluation.splits import LEAKY

    return f" {wording.LEAKY_MARK}" if split in LEAKY else ""


def ablation_lines(answer: Mapping) -> list[str]:
    """What each input adds."""
    lines = [f"{answer['study']}, {answer['target']} by {answer['model']}{_options(answer)}: "
             f"{answer['n_subjects']} subjects, {answer['n_trials']} trials that every set could use"]  # fmt: skip
    lines += [f"  {row['inputs']}: {interval(row)} ({row['experiment']})" for row in answer["sets"]]
    for row in answer["differences"]:
        p = "not computed" if row["p_adjusted"] is None else f"{row['p_adjusted']:.3f}"
        lines.append(f"  {row['inputs']} less {row['against']}: {interval(row)}, adjusted p {p}")
    return lines


def grid_lines(answer: Mapping) -> list[str]:
    """A table with a line for each cell of a grid."""
    head = ("target", "inputs", "model", "balanced accuracy", "a coin", "seconds", "run")
    rows = [
        (c["target"], c["inputs"], c["model"], interval(c["balanced_accuracy"]),
         f"{c['chance']['low']:.2f} to {c['chance']['high']:.2f}", f"{c['seconds']:.0f}", c["experiment"])
        for c in answer["cells"]
    ]  # fmt: skip
    width = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        f"{answer['study']}: {answer['n_subjects']} subjects, each left out once; seed {answer['seed']}"
        f"{_options(answer)}",
        *("  " + "  ".join(map(str.ljust, row, width)).rstrip() for row in (head, *rows)),
        f"  all folds together {answer['seconds']:.0f} s",
    ]


def audit_lines(answer: Mapping) -> list[str]:
    """A leak audit: the premium, the score under each split, and every check with its evidence."""
    lines = [
        f"{answer['study']}, {answer['target']} from {answer['inputs']} by {answer['model']}{_options(answer)}",
        f"  leak premium {interval(answer['premium'])}: random windows less nested LOSO, balanced accuracy of windows",
        *(f"  {split}: {score:.3f}{leaky(split)}" for split, score in answer["scores"].items()),
    ]
    words = {"pass": "pass", "fail": "FAIL", "not_checkable": "not checkable"}
    return lines + [f"  {words[c['outcome']]}: {c['name']}: {c['evidence']}" for c in answer["checks"]]


def _pipeline_line(answer: Mapping) -> str:
    fusion = f", {answer['fusion']} fusion" if answer.get("fusion", "early") != "early" else ""
    named = f"{fusion}{_options(answer)}"
    return f"{answer['study']}, {answer['target']} from {answer['inputs']} by {answer['model']}{named}"


def _options(answer: Mapping) -> str:
    """The options that are not as usual, which a result names where there are any."""
    known = ("groups", "features", "oversample", "smoothing", "flip", "aggregate")
    named = {name: answer[name] for name in known if name in answer} | answer.get("options", {})
    return "".join(f", {name} {in_words(value)}" for name, value in named.items())


def stimulus_lines(answer: Mapping) -> list[str]:
    """The stimulus premium."""
    lines = [
        _pipeline_line(answer),
        f"  stimulus premium {interval(answer['premium'])}, {answer['n_subjects']} subjects, "
        f"{answer['n_stimuli']} stimuli",
        f"  clips that others were seen with: {interval(answer['seen'])}",
        f"  clips of nobody: {interval(answer['withheld'])}",
    ]
    return [*lines, f"  {answer['note']}"] if answer["note"] else lines


def surrogate_lines(answer: Mapping) -> list[str]:
    """What is left of a score when something of the signals is taken away."""
    return [_pipeline_line(answer)] + [
        f"  {row['signals'].replace('_', ' ')}: {interval(row['balanced_accuracy'])}, loss {interval(row['loss'])}"
        for row in answer["scores"]
    ]


def control_lines(answer: Mapping) -> list[str]:
    """Which planted sizes are found."""
    smallest = answer["smallest"]
    said = f"the smallest that is found: {smallest:g}" if smallest else "none is found: a null result says nothing here"
    return [
        _pipeline_line(answer),
        *(f"  {row['size']:g}: {row['balanced_accuracy']:.3f}, found in {row['found']} of {row['draws']} draws"
          for row in answer["sizes"]),
        f"  {said} ({answer['unit']})",
    ]  # fmt: skip


def confound_lines(answer: Mapping) -> list[str]:
    """What heart, muscles, eyes and the clock alone score, and whether the pipeline scores above them."""
    lines = [_pipeline_line(answer), f"  this pipeline: {interval(answer['own'])}, {answer['n_subjects']} subjects"]
    for row in answer["predictors"]:
        name = row["name"].replace("_", " ")
        if row["balanced_accuracy"] is None:
            lines.append(f"  {name}: not computed: {row['reason']}")
            continue
        apart, mark = row["difference"], "" if row["beaten"] else "  NOT BEATEN"
        p = "not computed" if apart["p"] is None else f"{apart['p']:.4f}"
        lines.append(f"  {name} alone ({row['source']}): {interval(row['balanced_accuracy'])}; this pipeline less it "
                     f"{interval(apart)}, p {p}{mark}")  # fmt: skip
    return lines


def protocol_lines(answer: Mapping) -> list[str]:
    """Each protocol of others beside left-out people, marked as leaky in every number."""
    from app.ui import wording

    lines = [_pipeline_line(answer), f"  {answer['watermark']}"]
    for row in answer["protocols"]:
        head = f"  {row['name']} ({row['title']}; reported: {row['published']})"
        if row["score"] is None:
            lines.append(f"{head}: not computed: {row['reason']}")
            continue
        apart = row["difference"]
        ends = f" ({apart['low']:+.3f} to {apart['high']:+.3f})" if apart["low"] is not None else ""
        why = f", {row['reason']}" if row["reason"] else ""
        lines += [
            f"{head}: {row['score']:.3f} {wording.LEAKY_MARK}; left-out people {row['honest']:.3f}; "
            f"difference {apart['value']:+.3f}{ends}{why}",
            f"    did: {' '.join(row['did'])}",
            f"    breaks: {', '.join(row['rules']) or 'no rule'}",
            *(f"    not done: {': '.join(filter(None, (left['what'].rstrip('.'), left['reason'])))}"
              for left in row["left"]),
        ]  # fmt: skip
    return lines


def label_lines(answer: Mapping) -> list[str]:
    """Label policies, agreement, and intended against reported."""
    lines = [str(answer["study"])]
    for sweep, meant in zip(answer["sweeps"], answer["intended"], strict=True):
        alpha = "not computed" if sweep["alpha"] is None else f"{sweep['alpha']:.2f}"
        lines.append(f"  {sweep['target']}: {sweep['n_ratings']} ratings, {sweep['n_subjects']} subjects, "
                     f"{sweep['n_stimuli']} stimuli, Krippendorff's alpha {alpha}")  # fmt: skip
        lines += [
            f"    cut {row['cut']}, ties {row['ties']}: n {row['n']}, majority {row['majority_accuracy']:.3f}, "
            f"near the cut {row['near_share']:.0%}"
            for row in sweep["policies"] if row["majority_accuracy"] is not None
        ]  # fmt: skip
        if meant["differ_share"] is not None:
            lines.append(f"    {meant['basis']} against reported: {meant['differ_share']:.0%} of {meant['n']} differ")
    return lines


def transfer_lines(answer: Mapping) -> list[str]:
    """From one study to another."""
    head = f"{_pipeline_line(answer)}, tested on {answer['to']}: {answer['n_subjects']} subjects"
    return [f"{head}, {answer['n_columns']} shared columns"] + [
        f"  alignment {row['alignment']}: {interval(row['balanced_accuracy'])}" for row in answer["scores"]
    ]


def recalibration_lines(answer: Mapping) -> list[str]:
    """Before and after a few labels of the person."""
    mark = leaky(answer["split"])
    lines = [f"{answer['experiment']}: {_pipeline_line(answer)}, each person recalibrated on labels of their own{mark}"]
    for row in answer["rows"]:
        of = f"  {row['shots']} labelled trials"
        if not row["n"]:
            lines.append(f"{of}: not computed: no subject has {2 * row['shots']} trials")
            continue
        told = (f"{title} {row[k]['before']:.3f}, then {row[k]['after']:.3f} (change {interval(row[k]['difference'])})"
                for k, title in (("brier", "Brier score"), ("balanced_accuracy", "balanced accuracy")))  # fmt: skip
        lines.append(f"{of}, {row['n']} subjects: {'; '.join(told)}{mark}")
    return lines


def checklist_lines(answer: Mapping) -> list[str]:
    """The reporting checklist."""
    lines = [f"{answer['experiment']}: {answer['study']}"]
    for row in answer["axes"]:
        lines.append(f"  {row['axis']}: {row['text'] or 'not stored'}")
        lines += [f"    missing: {', '.join(row['missing'])}"] if row["missing"] else []
    return lines


def interval(found: Mapping) -> str:
    """A value with its interval, or that there is none."""
    if found["value"] is None:
        return "not computed: too few"
    text = f"{found['value']:.3f}"
    return text if found["low"] is None else f"{text} ({found['low']:.3f} to {found['high']:.3f})"
