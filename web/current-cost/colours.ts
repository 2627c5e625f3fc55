/** One colour for each appliance, distinguishable on light and dark backgrounds, and for people who cannot tell red from green. */
const colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8d8d3a', '#7a5fc0'];

export function colourOf(index: number): string {
  return colours[index % colours.length] as string;
}
