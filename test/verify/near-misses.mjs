// Answers that look nearly like a given one, for the tests and for bench/verify.mjs. Each edit changes one thing that
// changes the meaning: a digit, a sign, a bracket, a member, their order, a variable, a direction, a unit.

const UNITS = [
  ...[
    ['cm', 'kg'],
    ['centimeters', 'grams'],
    ['mm', 'mg'],
    ['hours', 'minutes'],
    ['minutes', 'hours'],
    ['km/h', 'm/s'],
  ],
  ...[
    ['dollars', 'cents'],
    ['cents', 'dollars'],
    ['apples', 'oranges'],
    ['degrees', 'radians'],
    ['miles', 'inches'],
  ],
];

/** `{ edit, text }` for every single edit; the caller knows which of them happen to mean the same. */
export function nearMisses(given, { type }) {
  const misses = [];
  const add = (edit, text) => {
    if (text !== given && !misses.some((miss) => miss.text === text)) misses.push({ edit, text });
  };
  for (const { index, digits } of numbersOf(given)) {
    const put = (other) => given.slice(0, index) + other + given.slice(index + digits.length);
    add('digit changed', put(`${BigInt(digits) + 1n}`.padStart(digits.length, '0')));
    add('digit added', put(`9${digits}`));
    if (digits.length > 1) add('digit dropped', put(digits.slice(1)));
  }
  editSigns(given, type, add);
  editBrackets(given, type, add);
  editMembers(given, type, add);
  if (/^(?:expression|relation|tuple|matrix)$/.test(type)) editVariables(given, add);
  if (/^(?:inequality|relation)$/.test(type)) editDirections(given, add);
  for (const [unit, other] of UNITS) {
    const found = given.search(new RegExp(`(?<![a-zA-Z\\\\])${unit}(?![a-zA-Z])`));
    if (found >= 0) add('unit', given.slice(0, found) + other + given.slice(found + unit.length));
  }
  if (type === 'choice') add('letter', given.replace('C', 'D'));
  return misses;
}

function numbersOf(text) {
  return Array.from(text.matchAll(/\d+/g), ({ index, 0: digits }) => ({ index, digits }));
}

function editSigns(given, type, add) {
  if (/^(?:text|choice|set|system|matrix|ratio|time|inequality)$/.test(type)) return;
  if (
    type !== 'interval' &&
    type !== 'union' &&
    type !== 'tuple' &&
    type !== 'list' &&
    !given.includes('=')
  ) {
    if (!/\\pm|±/.test(given)) add('sign', /^[-−]/.test(given) ? given.slice(1) : `-(${given})`);
  }
  for (const { index, 0: sign } of given.matchAll(/(?<=[\w}) ])[-+](?=[\w\\( ])/g)) {
    add('sign', given.slice(0, index) + (sign === '-' ? '+' : '-') + given.slice(index + 1));
  }
}

const OTHER_BRACKET = { '(': '[', '[': '(', ')': ']', ']': ')' };

function editBrackets(given, type, add) {
  if (!/^(?:interval|union|tuple)$/.test(type)) return;
  for (const { index, 0: bracket } of given.matchAll(/(?<!\\sqrt)[([\])]/g)) {
    if (nextToInfinity(given, index)) continue;
    add('bracket', given.slice(0, index) + OTHER_BRACKET[bracket] + given.slice(index + 1));
  }
}

function nextToInfinity(text, index) {
  return (
    /^[([\]]\s*[-+]?(?:\\infty|∞)/.test(text.slice(index)) ||
    /(?:\\infty|∞)[\s]*(?:\\right)?$/.test(text.slice(0, index))
  );
}

function editMembers(given, type, add) {
  if (!/^(?:tuple|list|set)$/.test(type) || given.includes('=')) return;
  const match = /^((?:\\left)?(?:\\?[[({])?)(.*?)((?:\\right)?(?:\\?[\])}])?)$/.exec(given);
  const members = match[2].split(',').map((member) => member.trim());
  if (members.length < 2) return;
  const put = (others) => match[1] + others.join(', ') + match[3];
  for (const index of members.keys()) {
    add('member dropped', put(members.filter((_, other) => other !== index)));
  }
  add('member added', put([...members, '17']));
  if (type === 'tuple') add('order', put([members[1], members[0], ...members.slice(2)]));
}

function editVariables(given, add) {
  for (const name of new Set(given.match(/(?<![a-zA-Z\\])[a-z](?![a-zA-Z{])/g) ?? [])) {
    if (name === 'e' || name === 'i') continue;
    const pattern = new RegExp(`(?<![a-zA-Z\\\\{])${name}(?![a-zA-Z])|(?<=\\\\(?:sin|cos)\\^2 ?)${name}`);
    add('variable', given.replace(pattern, 'w'));
  }
}

function editDirections(given, add) {
  const others = { '<': '>', '>': '<', '\\le': '\\ge', '\\ge': '\\le', '\\leq': '\\geq', '≥': '≤' };
  for (const { index, 0: sign } of given.matchAll(/\\leq|\\le(?!ft)|\\ge|≥|<(?!=)|>(?!=)/g)) {
    const put = (other) => given.slice(0, index) + other + given.slice(index + sign.length);
    add('direction', put(others[sign]));
    add(
      'strictness',
      put(
        /[<>]/.test(sign) ? (sign === '<' ? '\\le ' : '\\ge ') : sign === '\\ge' || sign === '≥' ? '>' : '<',
      ),
    );
  }
  for (const { index } of given.matchAll(/=/g)) {
    if (!/[<>]$/.test(given.slice(0, index)))
      add('relation', `${given.slice(0, index)}<${given.slice(index + 1)}`);
  }
}
