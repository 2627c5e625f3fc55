/** A file with more rules than most will ever have. */
export const ruleCount = 10_000;
export const userCount = 1_000;

/** Everyone has a role with all rules; two of them are about the topics of the loads. */
export function manyRules(): object {
  const filters = Array.from(
    { length: ruleCount / 2 - 1 },
    (_, index) => `site/${index % 100}/device/${index}/+`,
  );
  const own = '+/+/#';
  return {
    roles: { all: { allow: { publish: [...filters, own], subscribe: [...filters, own] } } },
    everyone: 'all',
    users: Object.fromEntries(Array.from({ length: userCount }, (_, index) => [`user-${index}`, 'all'])),
  };
}
