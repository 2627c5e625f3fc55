/** esbuild puts what a page imports of these beside its script. */
declare module '*.css';
