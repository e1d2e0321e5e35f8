// A part of a panel that can be folded.
import { Collapse, UnstyledButton } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";

const folded = new Set<string>();

export function Section({ title, id, tour, children, right }: { title: string; id: string; tour?: string; children: ReactNode; right?: ReactNode }) {
  const [isOpen, setOpen] = useState(!folded.has(id));
  const toggle = () => {
    if (isOpen) folded.add(id);
    else folded.delete(id);
    setOpen(!isOpen);
  };
  return (
    <section className="section" data-tour={tour}>
      <div className="section-head">
        <UnstyledButton className="section-title" aria-expanded={isOpen} onClick={toggle}>
          <IconChevronDown size={15} className={isOpen ? "" : "turned"} aria-hidden />{title}
        </UnstyledButton>
        {right}
      </div>
      <Collapse expanded={isOpen} transitionDuration={0}>
        <div className="section-body">{children}</div>
      </Collapse>
    </section>
  );
}
