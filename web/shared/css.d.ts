/** esbuild writes imported style sheets of a page next to its script. */
declare module '*.css';
