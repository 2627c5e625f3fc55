/** The last minute as two lanes: pushed scores, polled scores, and how long the polled side was behind. */

const shownMs = 60_000;

interface Poll {
  readonly atMs: number;
  readonly hasNews: boolean;
}

interface Late {
  readonly fromMs: number;
  /** Undefined: it is still behind. */
  untilMs?: number;
}

export class Timeline {
  readonly #canvas: HTMLCanvasElement;
  #pushes: number[] = [];
  #polls: Poll[] = [];
  #late: Late[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  reset(): void {
    this.#pushes = [];
    this.#polls = [];
    this.#late = [];
  }

  /** `isLate`: the polled side shows an older score. */
  pushed(nowMs: number, isLate: boolean): void {
    this.#pushes.push(nowMs);
    const last = this.#late.at(-1);
    if (isLate && (last === undefined || last.untilMs !== undefined)) this.#late.push({ fromMs: nowMs });
  }

  /** `isUpToDate`: there is no newer score. */
  polled(nowMs: number, hasNews: boolean, isUpToDate: boolean): void {
    this.#polls.push({ atMs: nowMs, hasNews });
    const last = this.#late.at(-1);
    if (isUpToDate && last !== undefined) last.untilMs ??= nowMs;
  }

  draw(nowMs: number): void {
    const startMs = nowMs - shownMs;
    this.#pushes = this.#pushes.filter((atMs) => atMs > startMs);
    this.#polls = this.#polls.filter(({ atMs }) => atMs > startMs);
    this.#late = this.#late.filter(({ untilMs = nowMs }) => untilMs > startMs);
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.scale(scale, scale);
    this.#drawLanes(
      context,
      width,
      height,
      (atMs) => 52 + ((width - 60) * (atMs - startMs)) / shownMs,
      nowMs,
    );
  }

  #drawLanes(
    context: CanvasRenderingContext2D,
    width: number,
    height: number,
    x: (atMs: number) => number,
    nowMs: number,
  ): void {
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const [push, poll] = [height * 0.19, height * 0.57];
    context.font = `600 13px ${style.fontFamily}`;
    context.textBaseline = 'middle';
    context.fillStyle = style.color;
    context.fillText('Push', 0, push);
    context.fillText('Poll', 0, poll);
    context.fillStyle = colour('--line');
    for (const y of [push, poll]) context.fillRect(52, y - 1, width - 52, 2);
    drawAxis(context, width, height, style.fontFamily, colour('--quiet'), (secondsAgo) =>
      x(nowMs - secondsAgo * 1_000),
    );
    context.fillStyle = colour('--late');
    for (const { fromMs, untilMs = nowMs } of this.#late) {
      const from = Math.max(52, x(fromMs));
      context.fillRect(from, poll - 4, Math.max(0, x(untilMs) - from), 8);
    }
    for (const atMs of this.#pushes) dot(context, x(atMs), push, colour('--push'), true);
    for (const { atMs, hasNews } of this.#polls) {
      dot(context, x(atMs), poll, colour(hasNews ? '--push' : '--quiet'), hasNews, colour('--card'));
    }
  }
}

function dot(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  colour: string,
  isFull: boolean,
  inside = '',
): void {
  context.beginPath();
  context.arc(x, y, isFull ? 6 : 5, 0, 2 * Math.PI);
  context.fillStyle = isFull ? colour : inside;
  context.fill();
  if (isFull) return;
  context.lineWidth = 2;
  context.strokeStyle = colour;
  context.stroke();
}

/** Below the lanes: the time axis. */
function drawAxis(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  fontFamily: string,
  colour: string,
  x: (secondsAgo: number) => number,
): void {
  context.save();
  context.font = `12px ${fontFamily}`;
  context.textBaseline = 'bottom';
  context.fillStyle = colour;
  for (const secondsAgo of [45, 30, 15]) {
    context.textAlign = 'center';
    context.fillText(`${secondsAgo} s ago`, x(secondsAgo), height);
  }
  context.textAlign = 'right';
  context.fillText('now', width, height);
  context.restore();
}
