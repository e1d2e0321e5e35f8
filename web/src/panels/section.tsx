// A part of a panel that can be folded.
import { Collapse, UnstyledButton } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";

/** Whether a section was folded or unfolded by hand, by its id. */
const folded = new Map<string, boolean>();

interface Props {
  title: string;
  id: string;
  /** What tours call it. */
  tour?: string;
  /** Folded until somebody opens it; what is in it is made then. */
  isFolded?: boolean;
  children: ReactNode;
  right?: ReactNode;
}

export function Section({ title, id, tour, isFolded = false, children, right }: Props) {
  const [isOpen, setOpen] = useState(!(folded.get(id) ?? isFolded));
  const toggle = () => {
    folded.set(id, isOpen);
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
        <div className="section-body">{(isOpen || !isFolded) && children}</div>
      </Collapse>
    </section>
  );
}
