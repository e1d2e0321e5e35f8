// One parameter: text with a unit and a slider, sent while it moves.
import { Slider, TextInput } from "@mantine/core";
import { useEffect, useId, useState } from "react";

export interface Scale {
  /** From the slider's 0..1 to a value, null for no limit. */
  toValue(share: number): number | null;
  toShare(value: number | null): number;
}

/** A slider that is finer near 0: `max` at its end. */
export function powerScale(max: number, power = 3): Scale {
  const nice = (value: number) => Number(value.toPrecision(value < 10 ? 2 : 3));
  return {
    toValue: (share) => nice(max * share ** power),
    toShare: (value) => Math.min(1, (Math.max(0, value ?? 0) / max) ** (1 / power)),
  };
}

/** A logarithmic slider whose end is "no limit". */
export function logScale(min: number, max: number): Scale {
  const [low, high] = [Math.log10(min), Math.log10(max)];
  return {
    toValue: (share) => {
      if (share >= 0.99) return null;
      const value = 10 ** (low + ((high - low) * share) / 0.98);
      const step = 10 ** (Math.floor(Math.log10(value)) - 1);
      return Math.round(value / step) * step;
    },
    toShare: (value) => (value === null ? 1 : Math.max(0, Math.min(0.98, ((Math.log10(Math.max(value, 1)) - low) / (high - low)) * 0.98))),
  };
}

interface Props {
  label: string;
  /** Said instead of the label where it stands in a table. */
  hiddenLabel?: boolean;
  value: number | null;
  scale: Scale;
  read(text: string): number | null;
  write(value: number): string;
  /** What an empty field means; without it the field must be filled. */
  empty?: string;
  example: string;
  disabled?: boolean;
  /** What was measured of it, in words. */
  measured?: string | null;
  onChange(value: number | null): void;
}

export function ParamField({ label, hiddenLabel, value, scale, read, write, empty, example, disabled, measured, onChange }: Props) {
  const shown = value === null ? "" : write(value);
  const [text, setText] = useState(shown);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  useEffect(() => {
    setText(shown);
    setError(null);
  }, [shown]);
  const done = () => {
    if (text === shown) return;
    if (text.trim() === "" && empty !== undefined) onChange(null);
    else {
      const next = read(text);
      if (next === null) setError(`Write it like ${example}`);
      else {
        setError(null);
        setText(write(next));
        onChange(next);
      }
    }
  };
  return (
    <div className="param">
      <TextInput
        id={id} size="xs" label={hiddenLabel ? undefined : label} aria-label={hiddenLabel ? label : undefined} value={text} disabled={disabled}
        placeholder={empty} error={error} onChange={(event) => setText(event.currentTarget.value)} onBlur={done}
        onKeyDown={(event) => {
          if (event.key === "Enter") done();
          if (event.key === "Escape") setText(shown);
        }}
      />
      <Slider
        size="xs" thumbSize={24} classNames={{ thumb: "param-thumb" }} min={0} max={1000} value={Math.round(scale.toShare(value) * 1000)} label={null} disabled={disabled}
        thumbLabel={label} onChange={(share) => onChange(scale.toValue(share / 1000))} mt={6}
      />
      {measured && <div className="param-measured" title="Measured in the last half minute, from when it was set">{measured}</div>}
    </div>
  );
}
