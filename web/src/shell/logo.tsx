// The sign of the product.
import { Group, Text } from "@mantine/core";

import sign from "../tomato.svg";

export function Logo({ size = 28 }: { size?: number }) {
  return (
    <Group gap={8} wrap="nowrap">
      <img src={sign} width={size} height={size} alt="" />
      <Text component="span" fw={750} fz={size * 0.64} lh={1}>
        ToMaTo
      </Text>
    </Group>
  );
}
