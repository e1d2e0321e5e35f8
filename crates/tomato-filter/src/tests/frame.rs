//! Random frames in which filters find something: mostly well-formed, some cut or plain noise.

/// Xorshift; the same frames in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn noise(&mut self, bound: usize) -> Vec<u8> {
        (0..self.below(bound)).map(|_| self.byte()).collect()
    }
}

const MACS: [[u8; 6]; 5] = [
    [2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 2],
    [255; 6],
    [0x33, 0x33, 0, 0, 0, 1],
    [1, 0x80, 0xc2, 0, 0, 0],
];
const IPV4: [[u8; 4]; 7] = [
    [10, 0, 0, 1],
    [10, 0, 0, 2],
    [10, 1, 0, 1],
    [192, 168, 0, 1],
    [224, 0, 0, 5],
    [255; 4],
    [0, 0, 0, 10],
];
const IPV6: [[u8; 16]; 4] = [
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfd, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
];
const PROTOCOLS: [u8; 16] = [6, 6, 6, 17, 17, 1, 58, 132, 2, 50, 51, 103, 112, 89, 9, 0];
const PORTS: [u16; 9] = [80, 443, 53, 22, 50, 90, 91, 1000, 67];

pub(super) fn frame(random: &mut Random) -> Vec<u8> {
    let mut frame = [random.pick(&MACS), random.pick(&MACS)].concat();
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        frame.extend(random.pick(&[[0x81, 0], [0x88, 0xa8], [0x91, 0]]));
        frame.extend([0x20, random.pick(&[5, 7, 9])]);
    }
    match random.below(12) {
        0..=4 => frame.extend([vec![8, 0], ipv4(random)].concat()),
        5..=7 => frame.extend([vec![0x86, 0xdd], ipv6(random)].concat()),
        8 => {
            frame.extend(random.pick(&[[8, 6], [0x80, 0x35]]));
            frame.extend([0, 1, 8, 0, 6, 4, 0, random.pick(&[1, 2]), 2, 0, 0, 0, 0, 1]);
            frame.extend(random.pick(&IPV4));
            frame.extend([0; 6]);
            frame.extend(random.pick(&IPV4));
        }
        9 => labelled(random, &mut frame),
        10 => {
            frame.extend(random.pick(&[[0x88, 0xcc], [0, 0x26], [0, 0x50], [0x88, 0x63]]));
            frame.extend(random.pick(&[
                [0x42, 0x42],
                [0xfe, 0xfe],
                [0xaa, 0xaa],
                [0xff, 0xff],
                [6, 6],
                [0xf0, 0xf0],
            ]));
            frame.extend(random.noise(60));
        }
        _ => frame.extend(random.noise(60)),
    }
    if random.below(15) == 0 {
        let kept = random.below(frame.len() + 1);
        frame.truncate(kept.max(14));
    } else if random.below(2) == 0 {
        frame.resize(frame.len().max(60), 0);
    }
    frame
}

/// IP behind labels or in a PPPoE session.
fn labelled(random: &mut Random, frame: &mut Vec<u8>) {
    let (inner, number) =
        if random.below(2) == 0 { (ipv4(random), 0x21) } else { (ipv6(random), 0x57) };
    if random.below(2) == 0 {
        frame.extend([0x88, 0x47]);
        for left in (0..=random.below(2)).rev() {
            // Label 100 or 101, at the bottom of the stack or not.
            let is_last = u8::from(left == 0);
            frame.extend([0, 6, random.pick(&[0x40, 0x50]) | is_last, 64]);
        }
    } else {
        frame.extend([0x88, 0x64, 0x11, 0, 0, random.pick(&[5, 6]), 0, 0, 0, number]);
    }
    frame.extend(inner);
}

fn ipv4(random: &mut Random) -> Vec<u8> {
    let words = random.pick(&[5, 5, 5, 6, 8, 15, 0]);
    let protocol = random.pick(&PROTOCOLS);
    let body = body(random, protocol);
    let length = u16::try_from(usize::from(words) * 4 + body.len()).unwrap();
    let mut packet = vec![0x40 | words, random.pick(&[0, 0, 25])];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(random.pick(&[[0, 0], [0x40, 0], [0x20, 0], [0, 5], [0x20, 5]]));
    packet.extend([random.pick(&[64, 63, 1, 30]), protocol, 0, 0]);
    packet.extend(random.pick(&IPV4));
    packet.extend(random.pick(&IPV4));
    packet.resize(packet.len().max(usize::from(words) * 4), 0);
    [packet, body].concat()
}

fn ipv6(random: &mut Random) -> Vec<u8> {
    let protocol = random.pick(&[6, 17, 58, 132, 44, 44, 0, 43, 60, 51, 59, 50, 103]);
    let mut content = Vec::new();
    let mut carried = protocol;
    if matches!(protocol, 44 | 0 | 43 | 60) {
        carried = random.pick(&[6, 17, 58, 103]);
        content.extend([carried, 0, 0, random.pick(&[0, 1]), 0, 0, 0, 0]);
    }
    content.extend(body(random, carried));
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    packet.extend([protocol, 64]);
    packet.extend(random.pick(&IPV6));
    packet.extend(random.pick(&IPV6));
    [packet, content].concat()
}

fn body(random: &mut Random, protocol: u8) -> Vec<u8> {
    let mut body = Vec::new();
    match protocol {
        6 | 17 | 132 => {
            body.extend(random.pick(&PORTS).to_be_bytes());
            body.extend(random.pick(&PORTS).to_be_bytes());
            if protocol == 6 {
                let flags = random.pick(&[2, 0x12, 0x10, 1, 0x18, 4]);
                body.extend([
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    random.pick(&[0x50, 0x60]),
                    flags,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]);
                body.extend(b"GET /");
            } else {
                body.extend([0, random.pick(&[8, 20, 60]), 0, 0, random.pick(&[0, 1])]);
            }
        }
        1 => body.extend([random.pick(&[8, 0, 3]), random.pick(&[0, 1]), 0, 0, 0, 1, 0, 2]),
        58 => body.extend([random.pick(&[128, 129, 135]), 0, 0, 0]),
        _ => {}
    }
    body.extend(random.noise(20));
    body
}
