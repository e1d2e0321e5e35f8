// A name that is edited where it stands: kept by Enter or by leaving it, as before by Escape.
import { useState } from "react";

interface Props {
  label: string;
  value: string;
  max: number;
  editable: boolean;
  onRename(name: string): void;
}

export function EditableName({ label, value, max, editable, onRename }: Props) {
  const [draft, setDraft] = useState<string | null>(null);
  const done = () => {
    const name = draft?.trim();
    setDraft(null);
    if (name && name !== value) onRename(name);
  };
  return (
    <input
      className="editable-name" aria-label={label} dir="auto" maxLength={max} readOnly={!editable} value={draft ?? value} title={value.slice(0, 300)}
      onChange={(event) => setDraft(event.currentTarget.value)} onBlur={done}
      onKeyDown={(event) => {
        if (event.key === "Enter") event.currentTarget.blur();
        if (event.key === "Escape") setDraft(null);
      }}
    />
  );
}
