"""Finds the slots of a workflow: the inputs for the prompt, the picture to start from, the size and so on.

Scripts, templates and Blender share this search. It reads the converted prompt, in which subgraphs are flattened.
Titles count first: those of nodes, of subgraphs and of promoted widgets. Then links count: the text that feeds a
sampler's ``positive`` is the prompt. Every search visits a node once. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core.json_fields import is_number
from ..request import DENOISE, HEIGHT, IMAGE, NEGATIVE, PROMPT, SLOTS, STEPS, TEXT_SLOTS, WIDTH
from .addressing import Target
from .conversion import EditorWidget
from .conversion.specs import AUTOGROW, Spec, output_types, read_spec, section
from .loading import Prompt, is_link
from .parameters import FILE, kind_of

Definitions = Mapping[str, Mapping[str, Any]]
Slots = dict[str, tuple[Target, ...]]
"""The inputs of each slot, by the names in ``SLOTS``; a slot that the workflow does not have is absent."""

PREFIX = "blender:"
"""The prefix of titles for this extension."""

_TITLES: Mapping[str, tuple[str, ...]] = {
    PROMPT: ("prompt", "positive prompt", "positive"),
    NEGATIVE: ("negative prompt", "negative", "avoid"),
    IMAGE: ("image", "input image", "start image", "first frame", "camera"),
    WIDTH: ("width",),
    HEIGHT: ("height",),
    STEPS: ("steps", "step"),
    DENOISE: ("denoise",),
}
_SIZE = ("size", "picture size")
_ENDS = ("last frame", "last image", "end frame", "end image")
"""Titles of pictures that a clip does not start from."""

_HINTS = ("user prompt",)
"""Titles of a prompt only if links agree: it may be one for a language model whose answer nobody uses."""

_FOR_US, _WHOLE, _HINT, _PART = 4, 3, 2, 1
"""The weights of a title: with the prefix, the slot's exact name, a hint, the name as a part of the title."""

_TEXTS = ("text", "prompt", "value", "string", "clip_l", "clip_g", "t5xxl", "llama", "text_l", "text_g", "user_prompt")
_JOINED_TEXTS = ("string_a", "string_b", "source")
_NO_TEXTS = ("system", "regex", "pattern", "delimiter", "separator")
"""Parts of the names of text inputs that take no prompt."""

_NAMED_TEXTS: Mapping[str, tuple[str, ...]] = {
    PROMPT: ("positive_prompt", "positive", "prompt_positive", "text_positive", "prompt"),
    NEGATIVE: ("negative_prompt", "negative", "prompt_negative", "text_negative"),
}
"""Names of text inputs that state which prompt they take."""

_WAYS: Mapping[str, str] = {PROMPT: "positive", NEGATIVE: "negative"}
"""The inputs of samplers, and of nodes that pass both prompts on."""

_CONDITIONS = ("conditioning", "cond1", "cond2", "conditioning_1", "conditioning_2", "conditioning_to")
_SIDES = ("on_false", "on_true")
_NUMBERS = ("value", "int", "float", "number")
_ONLY_NUMBERS = ("a", "values.a")
_STARTS = ("start_image", "first_frame", "first_image", "init_image")
_LOADERS = ("LoadImage", "LoadImageOutput")

_ANY = frozenset({"*", "COMFY_MATCHTYPE_V3"})
_CONDITIONING = frozenset({"CONDITIONING"})
_TEXT_TYPES = _CONDITIONING | {"STRING"} | _ANY
_NUMBER_TYPES = _ANY | {"INT", "FLOAT"}
_IMAGE_TYPES = _ANY | {"IMAGE"}
_PICTURES = frozenset({"IMAGE", "LATENT", "MASK", "VIDEO"})
_SIZED = frozenset({"IMAGE", "LATENT", "MODEL", "SIGMAS"})

_At = Callable[[Iterable[str]], list[Target]]
"""Returns the inputs that some nodes are about."""


def find_slots(prompt: Prompt, known: Definitions, widgets: Sequence[EditorWidget] = ()) -> Slots:
    """Return the inputs of each slot of a prompt.

    ``known`` holds the server's definitions of the prompt's classes; without them only names and links count.
    ``widgets`` are the editor's widgets from the conversion: all inputs fed by one widget belong to the same slot.
    """
    return _Finder(_Graph(prompt, known), widgets).slots()


def slot_titled(title: str) -> str:
    """Return the slot named by a title, with or without the prefix; empty if the title names none."""
    name = _plain((given_name(title) or title).lower())
    return next((slot for slot, titles in _TITLES.items() if name in titles), "")


def given_name(title: str) -> str:
    """Return the name after the prefix in a title, empty for a title without the prefix."""
    title = title.strip()
    return title[len(PREFIX) :].strip() if title.lower().startswith(PREFIX) else ""


def main_input(inputs: Mapping[str, Any]) -> str:
    """Return the name of a node's main input, empty if links feed all its inputs."""
    names = [name for name, value in inputs.items() if not is_link(value)]
    obvious = [name for name in ("value", "text", "image", "video", "audio") if name in names]
    return next(iter([*obvious, *names]), "")


def _plain(title: str) -> str:
    return " ".join(title.replace("_", " ").split()).removeprefix("load ")


def _weight(title: str, names: Iterable[str], hints: Iterable[str] = ()) -> int:
    """Return the weight of a title as one of the names, 0 for a title without any.

    A part is the text in brackets or after a dash or a colon, as in "String (Multiline - Prompt)".
    """
    low = title.strip().lower().replace("（", "(").replace("）", ")")
    bare = low.removeprefix(PREFIX)
    if _plain(bare) in names:
        return _FOR_US if bare != low else _WHOLE
    sides = (low, low.rpartition("(")[2].partition(")")[0])
    parts = [_plain(part.rpartition(mark)[2]) for part in sides for mark in (" - ", ": ")]
    if any(part in hints for part in parts):
        return _HINT
    return _PART if any(part in names for part in parts) else 0


class _Graph:
    """A prompt and the definitions of its classes; each class is read once."""

    def __init__(self, prompt: Prompt, known: Definitions) -> None:
        self.prompt = prompt
        self._known = known
        self._specs: dict[str, dict[str, Spec]] = {}
        self._outputs: dict[str, frozenset[str]] = {}

    def inputs(self, node_id: str) -> dict[str, Any]:
        inputs: dict[str, Any] = self.prompt[node_id]["inputs"]
        return inputs

    def value(self, target: Target) -> Any:
        return self.inputs(target.node_id)[target.input_name]

    def kind(self, node_id: str) -> str:
        return str(self.prompt[node_id]["class_type"])

    def is_known(self, node_id: str) -> bool:
        return self.kind(node_id) in self._known

    def title(self, node_id: str) -> str:
        meta = self.prompt[node_id].get("_meta")
        title = meta.get("title") if isinstance(meta, Mapping) else None
        kind = self.kind(node_id)
        usual = (kind, self._known.get(kind, {}).get("display_name"))
        return title if isinstance(title, str) and title not in usual else ""

    def spec(self, node_id: str, name: str) -> Spec | None:
        kind = self.kind(node_id)
        if kind not in self._specs:
            inputs = self._known.get(kind, {}).get("input")
            self._specs[kind] = {**section(inputs, "optional"), **section(inputs, "required")}
        specs = self._specs[kind]
        if name in specs:
            return specs[name]
        group = specs.get(name.partition(".")[0])
        return _grown(group, name) if group is not None and group.type == AUTOGROW else None

    def outputs(self, node_id: str) -> frozenset[str]:
        """Return the types of a node's outputs, empty for an unknown class."""
        kind = self.kind(node_id)
        if kind not in self._outputs:
            self._outputs[kind] = frozenset(output_types(self._known.get(kind, {})))
        return self._outputs[kind]

    def source(self, value: Any) -> str:
        """Return the node that a link comes from, empty for any other value and for a link out of the prompt."""
        return value[0] if is_link(value) and value[0] in self.prompt else ""

    def with_input(self, name: str) -> list[str]:
        return [node_id for node_id in self.prompt if name in self.inputs(node_id)]

    def sources(self, node_id: str, types: frozenset[str], names: Iterable[str]) -> dict[str, str]:
        """Return the linked inputs of these types, or of these names for an unknown class, with their source nodes."""
        found = {}
        for name, value in self.inputs(node_id).items():
            source = self.source(value)
            if source and self._takes(node_id, name, types, names):
                found[name] = source
        return found

    def _takes(self, node_id: str, name: str, types: frozenset[str], names: Iterable[str]) -> bool:
        if not self.is_known(node_id):
            return name in names
        spec = self.spec(node_id, name)
        return spec is not None and not types.isdisjoint(spec.type.split(","))


def _grown(group: Spec, name: str) -> Spec | None:
    """Return one input of a growing group, None for a damaged group."""
    template = group.options.get("template")
    inputs = template.get("input") if isinstance(template, Mapping) else None
    found = [*section(inputs, "required").values(), *section(inputs, "optional").values()]
    return read_spec(name, [found[0].type, dict(found[0].options)]) if found else None


class _Finder:
    """Finds the slots of one workflow."""

    def __init__(self, graph: _Graph, widgets: Sequence[EditorWidget]) -> None:
        self._graph = graph
        self._widgets = [(widget, tuple(Target(*each) for each in widget.targets)) for widget in widgets]
        self._together = {target: targets for _, targets in self._widgets for target in targets}
        self._titles = {node_id: graph.title(node_id) for node_id in graph.prompt}

    def slots(self) -> Slots:
        linked, avoided = self._linked_texts(PROMPT), self._linked_texts(NEGATIVE)
        both = set(avoided)
        # a text that feeds both belongs to the prompt, unless the prompt has another text
        own = [target for target in linked if target not in both]
        prompt = self._titled_or(PROMPT, own or linked, self._texts_at)
        taken = set(prompt)
        negative = self._titled_or(NEGATIVE, avoided, self._texts_at)
        found = {
            PROMPT: prompt,
            NEGATIVE: [target for target in negative if target not in taken],
            IMAGE: self._images(),
            **self._size(),
            STEPS: self._titled_or(STEPS, self._agreed(STEPS, self._graph.with_input(STEPS)), self._numbers_at(STEPS)),
            DENOISE: self._denoise(),
        }
        claimed = self._claimed()
        free = {slot: [each for each in self._complete(found[slot]) if each not in claimed] for slot in SLOTS}
        return {slot: tuple(targets) for slot, targets in free.items() if targets}

    def _claimed(self) -> set[Target]:
        """Return the inputs whose title, with the prefix, names another parameter than a slot."""
        named = {node_id: title for node_id, title in self._titles.items() if given_name(title)}
        others = [node_id for node_id, title in named.items() if not slot_titled(title) and not _weight(title, _SIZE)]
        mains = {node_id: main_input(self._graph.inputs(node_id)) for node_id in others}
        return {Target(node_id, name) for node_id, name in mains.items() if name}

    def _complete(self, targets: Iterable[Target]) -> list[Target]:
        """Return the targets, and all other targets of the same editor widgets, each once."""
        return list(dict.fromkeys(each for target in targets for each in self._together.get(target, (target,))))

    # By title

    def _titled_or(self, slot: str, linked: list[Target], at: _At) -> list[Target]:
        """Return the titled inputs that are also linked, else the linked inputs.

        Titles decide alone if they have the prefix, if nothing is linked, or, for texts, if they are the exact name.
        """
        weight, titled = self._titled(slot, at)
        if weight == _FOR_US or not linked:
            return titled or linked
        reached = set(self._complete(linked))
        agreed = [target for target in titled if target in reached]
        return agreed or (titled if weight == _WHOLE and slot in TEXT_SLOTS else linked)

    def _titled(self, slot: str, at: _At) -> tuple[int, list[Target]]:
        """Return the highest weight of a title for the slot, and the targets with titles of that weight."""
        names, hints = _TITLES[slot], _HINTS if slot == PROMPT else ()
        nodes: dict[int, list[str]] = {}
        for node_id, title in self._titles.items():
            nodes.setdefault(_weight(title, names, hints), []).append(node_id)
        shown: dict[int, list[Target]] = {}
        for widget, targets in self._widgets:
            weight = max(_weight(title, names, hints) for title in (widget.label or widget.name, widget.title))
            shown.setdefault(weight, []).extend(target for target in targets if self._fits(slot, target))
        for weight in (_FOR_US, _WHOLE, _HINT, _PART):
            found = [*shown.get(weight, ()), *at(nodes.get(weight, ()))]
            if found:
                return weight, list(dict.fromkeys(found))
        return 0, []

    def _fits(self, slot: str, target: Target) -> bool:
        """Return True if an input holds a value of the slot's kind."""
        if slot == IMAGE:
            return self._is_picture(target)
        value = self._graph.value(target)
        return isinstance(value, str) if slot in TEXT_SLOTS else is_number(value)

    # Texts

    def _linked_texts(self, slot: str) -> list[Target]:
        """Return the texts that feed the slot's inputs of samplers, else those in inputs named for the slot."""
        graph, way = self._graph, _WAYS[slot]
        starts = [graph.source(graph.inputs(node_id).get(way)) for node_id in graph.prompt]
        found = self._texts([each for each in starts if each], way)
        if not found and slot == PROMPT:
            found = self._texts(self._other_conditions(), way)
        return found or self._named_texts(slot)

    def _other_conditions(self) -> Iterator[str]:
        """Yield the nodes that feed a condition of guiders and samplers not called ``positive``."""
        for node_id in self._graph.prompt:
            if self._graph.is_known(node_id) and self._graph.outputs(node_id).isdisjoint({"GUIDER", "LATENT"}):
                continue
            for name, source in self._graph.sources(node_id, _CONDITIONING, _CONDITIONS).items():
                if "neg" not in name and "uncond" not in name:
                    yield source

    def _named_texts(self, slot: str) -> list[Target]:
        for name in _NAMED_TEXTS[slot]:
            values = {node_id: self._graph.inputs(node_id)[name] for node_id in self._graph.with_input(name)}
            held = [Target(node_id, name) for node_id, value in values.items() if isinstance(value, str)]
            linked = [node_id for node_id in values if name in self._graph.sources(node_id, _TEXT_TYPES, (name,))]
            found = [*held, *self._texts([self._graph.source(values[node_id]) for node_id in linked], "")]
            if found:
                return found
        return []

    def _texts_at(self, node_ids: Iterable[str]) -> list[Target]:
        return self._texts(node_ids, "")

    def _texts(self, node_ids: Iterable[str], way: str) -> list[Target]:
        """Return the texts in these nodes and in those that feed them, each once.

        ``way`` is ``positive`` or ``negative``: nodes that pass both on are followed only this way. Empty: any way.
        """
        found: dict[Target, None] = {}
        waiting = list(dict.fromkeys(node_ids))[::-1]
        seen = set(waiting)
        while waiting:
            own, before = self._text_step(waiting.pop(), way)
            found.update(dict.fromkeys(own))
            fresh = [each for each in dict.fromkeys(before) if each not in seen]
            seen.update(fresh)
            waiting += reversed(fresh)
        users = [target for target in found if not self._is_systems(target)]
        return users or list(found)

    def _text_step(self, node_id: str, way: str) -> tuple[list[Target], list[str]]:
        """Return the prompt texts in a node, and the nodes that feed it further texts."""
        inputs = self._graph.inputs(node_id)
        if way and way in inputs:
            source = self._graph.source(inputs[way])
            return [Target(node_id, way)] if isinstance(inputs[way], str) else [], [source] if source else []
        if "find" in inputs and "replace" in inputs:
            return self._replacement_step(node_id, inputs)
        names = (*_TEXTS, *_CONDITIONS, *_SIDES, *_JOINED_TEXTS)
        linked = self._graph.sources(node_id, _TEXT_TYPES, names)
        before = [each for name, each in linked.items() if not any(word in name for word in _NO_TEXTS)]
        encodes = not self._graph.is_known(node_id) or "CONDITIONING" in self._graph.outputs(node_id)
        picks = "regex_pattern" in inputs  # one line of a list
        return self._own_texts(node_id) if (encodes or not before) and not picks else [], before

    def _replacement_step(self, node_id: str, inputs: Mapping[str, Any]) -> tuple[list[Target], list[str]]:
        """Return the text in which a node replaces a part, or the replacement if that is the user's prompt.

        The latter node inserts the prompt into instructions for a language model.
        """
        source = self._graph.source(inputs["replace"])
        if source and "prompt" in str(inputs["find"]).lower():
            return [], [source]
        source = self._graph.source(inputs.get("string"))
        return self._own_texts(node_id), [source] if source else []

    def _own_texts(self, node_id: str) -> list[Target]:
        inputs = self._graph.inputs(node_id)
        names = [name for name in _TEXTS if isinstance(inputs.get(name), str) and self._is_text(node_id, name)]
        if not names and "CONDITIONING" in self._graph.outputs(node_id):
            names = [name for name, value in inputs.items() if isinstance(value, str) and self._is_long(node_id, name)]
        return [Target(node_id, name) for name in names]

    def _is_text(self, node_id: str, name: str) -> bool:
        spec = self._graph.spec(node_id, name)
        return spec is None or spec.type == "STRING"

    def _is_long(self, node_id: str, name: str) -> bool:
        """Return True if the input is a multi-line text, neither a negative prompt nor for a language model."""
        spec = self._graph.spec(node_id, name)
        long = spec is not None and spec.type == "STRING" and bool(spec.options.get("multiline"))
        return long and "neg" not in name and "system" not in name

    def _is_systems(self, target: Target) -> bool:
        """Return True if the text is the system prompt of a language model."""
        return "system" in target.input_name or "system" in self._titles[target.node_id].lower()

    # Numbers

    def _numbers(self, name: str, node_ids: Iterable[str]) -> list[Target]:
        """Return the inputs that hold the number for the nodes' input ``name``: the input itself or its source."""
        found: dict[Target, None] = {}
        waiting = [Target(node_id, name) for node_id in node_ids][::-1]
        seen = set(waiting)
        while waiting:
            target = waiting.pop()
            value = self._graph.value(target)
            source = self._graph.source(value)
            if is_number(value):
                found[target] = None
            fresh = [each for each in self._number_step(source) if each not in seen] if source else []
            seen.update(fresh)
            waiting += reversed(fresh)
        return list(found)

    def _agreed(self, name: str, node_ids: Iterable[str]) -> list[Target]:
        """Return the inputs that hold the number; empty if the nodes' own numbers differ: they are not one setting."""
        node_ids = list(node_ids)
        found = self._numbers(name, node_ids)
        own = {Target(node_id, name) for node_id in node_ids}
        return found if len({self._graph.value(target) for target in found if target in own}) < 2 else []

    def _number_step(self, node_id: str) -> list[Target]:
        """Return the inputs that may supply a node's number: its value, each side of a switch, or its only number."""
        inputs = self._graph.inputs(node_id)
        own = [name for name in _NUMBERS if name in inputs]
        sides = [name for name in _SIDES if name in inputs]
        linked = list(self._graph.sources(node_id, _NUMBER_TYPES, _ONLY_NUMBERS))
        chosen = own[:1] or sides or (linked if len(linked) == 1 else [])
        return [Target(node_id, name) for name in chosen]

    def _numbers_at(self, slot: str) -> _At:
        def at(node_ids: Iterable[str]) -> list[Target]:
            found = []
            for node_id in node_ids:
                inputs = self._graph.inputs(node_id)
                held = [name for name in (slot, *_NUMBERS) if is_number(inputs.get(name))]
                found += [Target(node_id, name) for name in held[:1]]
            return found

        return at

    def _denoise(self) -> list[Target]:
        """Return the input for the strength of the change, with its widget's others; empty if there are several."""
        linked = self._numbers(DENOISE, self._graph.with_input(DENOISE))
        found = self._titled_or(DENOISE, linked, self._numbers_at(DENOISE))
        return found if set(found) <= set(self._complete(found[:1])) else []

    # The size

    def _size(self) -> dict[str, list[Target]]:
        sides = [node_id for node_id in self._graph.with_input(WIDTH) if HEIGHT in self._graph.inputs(node_id)]
        titled = [node_id for node_id in sides if _weight(self._titles[node_id], _SIZE)]
        sized = [node_id for node_id in sides if self._gives_size(node_id)] or (sides if len(sides) == 1 else [])
        size = {}
        for name in (WIDTH, HEIGHT):
            linked = self._numbers(name, titled) or self._agreed(name, sized)
            size[name] = linked if titled and linked else self._titled_or(name, linked, self._numbers_at(name))
        square = set(size[WIDTH]) & set(size[HEIGHT])
        return {name: [target for target in targets if target not in square] for name, targets in size.items()}

    def _gives_size(self, node_id: str) -> bool:
        """Return True if a node with a width and a height creates pictures, not changes them.

        Scalers and croppers have both inputs too, but take a picture. A clip's first frame does not count as one.
        """
        linked = {name for name, value in self._graph.inputs(node_id).items() if self._graph.source(value)}
        if not self._graph.is_known(node_id):
            return linked <= {WIDTH, HEIGHT}
        outputs = self._graph.outputs(node_id)
        fed = {spec.type for name in linked if (spec := self._graph.spec(node_id, name)) is not None}
        if "LATENT" in outputs:
            return "LATENT" not in fed
        return not outputs.isdisjoint(_SIZED) and fed.isdisjoint(_PICTURES)

    # The picture to start from

    def _images(self) -> list[Target]:
        """Return the titled picture inputs, else the one that feeds a clip's first frame, else the first used one."""
        graph = self._graph
        loaders = {
            node_id: target
            for node_id in graph.prompt
            for name in graph.inputs(node_id)
            if self._is_picture(target := Target(node_id, name))
        }
        _, titled = self._titled(IMAGE, lambda node_ids: [loaders[each] for each in node_ids if each in loaders])
        if titled:
            return titled
        starts = [graph.source(inputs.get(name)) for name in _STARTS for inputs in map(graph.inputs, graph.prompt)]
        found = [node_id for node_id in self._before([each for each in starts if each]) if node_id in loaders]
        used = {graph.source(value) for node_id in graph.prompt for value in graph.inputs(node_id).values()}
        first = [node_id for node_id in loaders if node_id in used and not _weight(self._titles[node_id], _ENDS)]
        order = [*found, *first, *loaders]
        return [loaders[node_id] for node_id in order[:1]]

    def _before(self, node_ids: list[str]) -> list[str]:
        """Return these nodes and all nodes whose pictures feed them, each once."""
        seen = dict.fromkeys(node_ids)
        waiting = list(seen)[::-1]
        while waiting:
            sources = self._graph.sources(waiting.pop(), _IMAGE_TYPES, ("image", "images", "pixels"))
            fresh = [each for each in dict.fromkeys(sources.values()) if each not in seen]
            seen.update(dict.fromkeys(fresh))
            waiting += reversed(fresh)
        return list(seen)

    def _is_picture(self, target: Target) -> bool:
        """Return True if the input is a loader's picture file."""
        if not isinstance(self._graph.value(target), str):
            return False
        spec = self._graph.spec(target.node_id, target.input_name)
        if spec is None:
            return target.input_name == IMAGE and self._graph.kind(target.node_id) in _LOADERS
        shows = spec.options.get("image_upload") or spec.options.get("animated_image_upload")
        return kind_of(spec) == FILE and bool(shows) and "IMAGE" in self._graph.outputs(target.node_id)
