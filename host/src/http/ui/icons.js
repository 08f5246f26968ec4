// Icons as inline SVG: sixteen units square, drawn with the text's colour. Each state has a shape of its own, so that colour is never needed.

const RING = ['circle', { cx: 8, cy: 8, r: 6.25 }];
const DISC = ['circle', { cx: 8, cy: 8, r: 7, class: 'solid' }];
const line = (d) => ['path', { d }];
const solid = (d) => ['path', { d, class: 'solid' }];
const cut = (d) => ['path', { d, class: 'cut' }];

const SHAPES = {
  offline: [['circle', { cx: 8, cy: 8, r: 6.25, 'stroke-dasharray': '2.4 2.5' }]],
  discovered: [RING, ['circle', { cx: 8, cy: 8, r: 2.4, class: 'solid' }]],
  provisioning: [RING, solid('M8 3.600a4.400 4.400 0 0 1 0 8.800z')],
  ready: [RING, line('M5.200 8.300l2 2 3.700-4.300')],
  active: [DISC, cut('M4.900 8.300l2.200 2.200 4-4.800')],
  maintenance: [['rect', { x: 2, y: 2, width: 12, height: 12, rx: 2.5 }], line('M6.300 5.500v5M9.700 5.500v5')],
  failed: [solid('M8 1.200 15.400 14.400H.600z'), cut('M8 5.800v4.200M8 11.900v.4')],
  decommissioning: [RING, line('M8 4.600v6.400M5.400 8.500 8 11.100l2.600-2.600')],
  decommissioned: [RING, line('M3.700 12.300l8.600-8.600')],
  running: [solid('M4 2.300 13.200 8 4 13.700z')],
  waiting: [RING, line('M8 4.400V8l2.400 1.700')],
  resting: [line('M3 8h10')],
  warning: [line('M8 2 14.500 13.700H1.500zM8 6.200v3.600M8 11.600v.3')],
  note: [RING, line('M8 7.300v3.600M8 5v.3')],
  silent: [line('M2 6.200h2.600L8 3.300v9.400L4.600 9.800H2zM10.800 6.300l3.400 3.400M14.200 6.300l-3.400 3.400')],
  reserved: [line('M4 1.800h8v12.400l-4-3-4 3z')],
  person: [['circle', { cx: 8, cy: 5, r: 2.8 }], line('M2.600 14c.500-3.300 2.600-4.900 5.400-4.900s4.900 1.600 5.400 4.900')],
  retry: [line('M13.600 8a5.600 5.600 0 1 1-1.800-4.100M13.800 1.700v3.100h-3.100')],
  reset: [line('M2.400 8a5.600 5.600 0 1 0 1.800-4.100M2.200 1.700v3.100h3.100')],
  erase: [line('M5.300 13.500 1.900 10l7-7.500 4.800 4.700-6 6.300zM5.200 6.500l4.700 4.700M7.500 13.500h6.300')],
  search: [['circle', { cx: 7, cy: 7, r: 4.6 }], line('M10.500 10.500 14.300 14.300')],
  close: [line('M3.600 3.600l8.800 8.800M12.400 3.600l-8.800 8.800')],
  check: [line('M2.800 8.700l3.500 3.500 7-8')],
  up: [line('M3.500 10 8 5.500l4.500 4.500')],
  down: [line('M3.500 6 8 10.500 12.500 6')],
  left: [line('M10 3.500 5.500 8l4.500 4.500')],
  right: [line('M6 3.500 10.500 8 6 12.500')],
  arrow: [line('M2.500 8h10.500M9 4l4 4-4 4')],
  menu: [line('M2 4.200h12M2 8h12M2 11.800h12')],
  help: [RING, line('M6.100 6.300C6.100 5.100 7 4.500 8 4.500s1.900.700 1.900 1.700c0 1.300-1.900 1.400-1.900 2.700M8 11.200v.2')],
  sun: [['circle', { cx: 8, cy: 8, r: 3 }], line('M8 1v1.600M8 13.400V15M1 8h1.600M13.400 8H15M3 3l1.100 1.100M11.900 11.900 13 13M13 3l-1.100 1.100M4.100 11.900 3 13')],
  moon: [line('M13.400 9.800A5.900 5.900 0 0 1 6.200 2.600a5.900 5.900 0 1 0 7.200 7.200z')],
  screen: [['rect', { x: 1.700, y: 2.500, width: 12.600, height: 8.500, rx: 1.2 }], line('M5.500 14h5M8 11v3')],
  board: [['rect', { x: 1.800, y: 2.300, width: 3.400, height: 11.400, rx: 1 }], ['rect', { x: 6.800, y: 2.300, width: 3.400, height: 7.400, rx: 1 }], line('M12.600 2.300h1.600v4h-1.600z')],
  servers: [['rect', { x: 1.700, y: 2.200, width: 12.600, height: 4.800, rx: 1.2 }], ['rect', { x: 1.700, y: 9, width: 12.600, height: 4.800, rx: 1.2 }], line('M4.300 4.600h.2M4.300 11.400h.2')],
  racks: [['rect', { x: 3, y: 1.500, width: 10, height: 13, rx: 1.2 }], line('M3 5h10M3 8.300h10M3 11.600h10')],
  work: [line('M9.700 3.200a3.500 3.500 0 0 1 4.500-.800l-2.300 2.400.300 1.400 1.400.300 1-1a3.500 3.500 0 0 1-4.700 3.500L5.400 13.700a1.700 1.700 0 0 1-2.500-2.400L7.500 7a3.500 3.500 0 0 1 2.200-3.800z')],
  orders: [line('M2 4.800 8 1.700l6 3.100v6.400l-6 3.100-6-3.100zM2 4.800 8 8l6-3.200M8 8v6.300')],
  journal: [line('M3 2h8.500A1.500 1.500 0 0 1 13 3.500V14H4.500A1.500 1.500 0 0 1 3 12.500zM5.600 5.300h4.800M5.600 8h4.800M5.600 10.700h3')],
  api: [line('M5.200 4.200 1.500 8l3.700 3.800M10.800 4.200 14.500 8l-3.700 3.800M9.200 2.800 6.800 13.200')],
  live: [['circle', { cx: 8, cy: 8, r: 2.6, class: 'solid' }], line('M3.700 12.300a6 6 0 0 1 0-8.600M12.300 3.700a6 6 0 0 1 0 8.600')],
  stale: [['circle', { cx: 8, cy: 8, r: 2.600 }], line('M3.700 12.300a6 6 0 0 1 0-8.600M12.300 3.700a6 6 0 0 1 0 8.600M2 14 14 2')],
  more: [['circle', { cx: 3.200, cy: 8, r: 1.1, class: 'solid' }], ['circle', { cx: 8, cy: 8, r: 1.1, class: 'solid' }], ['circle', { cx: 12.800, cy: 8, r: 1.1, class: 'solid' }]],
  label: [line('M2 2h5.600l6.400 6.400-5.600 5.600L2 7.600zM5 5h.2')],
  print: [line('M4.500 6V1.800h7V6M4.500 11H2V6h12v5h-2.500M4.500 9.200h7v5h-7z')],
  plus: [line('M8 2.700v10.600M2.700 8h10.600')],
  drift: [line('M2 5.300h9.500M8.800 2.500l2.800 2.800-2.800 2.800M14 10.700H4.500M7.200 7.900l-2.800 2.800 2.800 2.800')],
  letter: [['rect', { x: 1.700, y: 3.200, width: 12.600, height: 9.600, rx: 1.2 }], line('M2 4.200 8 9l6-4.800')],
  cable: [line('M2 5.500h4.500v5H2M14 5.500H9.500v5H14M6.500 8h3')],
  part: [['rect', { x: 4, y: 4, width: 8, height: 8, rx: 1 }], line('M6 1.800V4M10 1.800V4M6 12v2.200M10 12v2.200M1.800 6H4M1.800 10H4M12 6h2.200M12 10h2.200')],
  identity: [['rect', { x: 1.700, y: 3, width: 12.600, height: 10, rx: 1.2 }], line('M4 6v4M6.200 6v4M8 6v4M10.300 6v4M12 6v4')],
  access: [['circle', { cx: 5.200, cy: 10.800, r: 3 }], line('M7.400 8.600 13.600 2.400M11 5l2 2')],
  out: [line('M6.500 2H2.500v12h4M10 4.500 13.500 8 10 11.500M13.500 8H6')],
};

/** An icon. Give `label` where no word stands beside it; otherwise it is hidden from readers. */
export function icon(name, label) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon icon-${name}`);
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else svg.setAttribute('aria-hidden', 'true');
  for (const [tag, attributes] of SHAPES[name] ?? SHAPES.note) {
    const shape = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}
