#!/usr/bin/env python3
"""torch_peer.py -- YOLOv12 (turbo) as a plain PyTorch module, timed on a GPU beside yolo12c.

    python3 bench/torch_peer.py n:1 n:32 s:1 s:32 x:1 x:32 [--mode default] [--json out.json]

The network is written from the paper's table with batch norms already folded (a
convolution with a bias), in fp16, channels last, with scaled_dot_product_attention,
compiled by torch.compile and replayed as one CUDA graph.  It takes uint8 pictures
[N, 640, 640, 3] in device memory and gives decoded boxes and scores [N, 84, 8400],
which is what `yolo12c bench entry=boxes` does.  Times are medians of graph replays by
CUDA events.

SPDX-License-Identifier: Apache-2.0
"""
import argparse, json, math, sys, time
import torch
from torch import nn
import torch.nn.functional as F

SCALES = {"n": (0.50, 0.25, 1024), "s": (0.50, 0.50, 1024), "m": (0.50, 1.00, 512),
          "l": (1.00, 1.00, 512), "x": (1.00, 1.50, 512)}


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, g=1, act=True):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, groups=g)
        self.act = act

    def forward(self, x):
        x = self.conv(x)
        return F.silu(x) if self.act else x


class Bottleneck(nn.Module):
    def __init__(self, c, e):
        super().__init__()
        h = int(c * e)
        self.cv1, self.cv2 = Conv(c, h, 3), Conv(h, c, 3)

    def forward(self, x):
        return x + self.cv2(self.cv1(x))


class C3k(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c // 2
        self.cv1, self.cv2, self.cv3 = Conv(c, h), Conv(c, h), Conv(2 * h, c)
        self.m = nn.Sequential(Bottleneck(h, 1.0), Bottleneck(h, 1.0))

    def forward(self, x):
        return self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))


class C3k2(nn.Module):
    def __init__(self, c1, c2, n, c3k, e):
        super().__init__()
        self.c = int(c2 * e)
        self.cv1, self.cv2 = Conv(c1, 2 * self.c), Conv((2 + n) * self.c, c2)
        self.m = nn.ModuleList(C3k(self.c) if c3k else Bottleneck(self.c, 0.5) for _ in range(n))

    def forward(self, x):
        y = list(self.cv1(x).split(self.c, 1))
        for m in self.m:
            y.append(m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class Attention(nn.Module):
    def __init__(self, c, heads, area):
        super().__init__()
        self.heads, self.area = heads, area
        self.qk, self.v = Conv(c, 2 * c, act=False), Conv(c, c, act=False)
        self.pe, self.proj = Conv(c, c, 5, g=c, act=False), Conv(c, c, act=False)

    def forward(self, x):
        b, c, h, w = x.shape
        v = self.v(x)

        def heads(t):       # [b, c, h, w] -> [b * area, heads, tokens, 32]
            return t.permute(0, 2, 3, 1).reshape(b * self.area, h * w // self.area, self.heads, -1).transpose(1, 2)
        q, k = self.qk(x).chunk(2, 1)
        o = F.scaled_dot_product_attention(heads(q), heads(k), heads(v))
        o = o.transpose(1, 2).reshape(b, h, w, c).permute(0, 3, 1, 2)
        return self.proj(o + self.pe(v))


class ABlock(nn.Module):
    def __init__(self, c, ratio, area):
        super().__init__()
        self.attn = Attention(c, c // 32, area)
        self.mlp = nn.Sequential(Conv(c, int(c * ratio)), Conv(int(c * ratio), c, act=False))

    def forward(self, x):
        x = x + self.attn(x)
        return x + self.mlp(x)


class A2C2f(nn.Module):
    def __init__(self, c1, c2, n, a2, area=1, residual=False, ratio=2.0):
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2 = Conv(c1, c), Conv((1 + n) * c, c2)
        self.gamma = nn.Parameter(torch.full((c2,), 0.01)) if a2 and residual else None
        self.m = nn.ModuleList(
            nn.Sequential(ABlock(c, ratio, area), ABlock(c, ratio, area)) if a2 else C3k(c) for _ in range(n))

    def forward(self, x):
        y = [self.cv1(x)]
        for m in self.m:
            y.append(m(y[-1]))
        z = self.cv2(torch.cat(y, 1))
        return z if self.gamma is None else x + self.gamma.view(1, -1, 1, 1) * z


class YOLOv12(nn.Module):
    def __init__(self, scale, nc=80):
        super().__init__()
        depth, width, most = SCALES[scale]
        deep, large = scale in "mlx", scale in "lx"
        ch = lambda c: 8 * math.ceil(min(c, most) * width / 8)
        rep = lambda n: max(round(n * depth), 1)
        c64, c128, c256, c512, c1024 = map(ch, (64, 128, 256, 512, 1024))
        a = dict(residual=large, ratio=1.5 if large else 2.0)
        self.l0, self.l1 = Conv(3, c64, 3, 2), Conv(c64, c128, 3, 2, 2)
        self.l2, self.l3 = C3k2(c128, c256, rep(2), deep, 0.25), Conv(c256, c256, 3, 2, 4)
        self.l4, self.l5 = C3k2(c256, c512, rep(2), deep, 0.25), Conv(c512, c512, 3, 2)
        self.l6, self.l7 = A2C2f(c512, c512, rep(4), True, 4, **a), Conv(c512, c1024, 3, 2)
        self.l8 = A2C2f(c1024, c1024, rep(4), True, 1, **a)
        self.l11 = A2C2f(c1024 + c512, c512, rep(2), False)
        self.l14 = A2C2f(c512 + c512, c256, rep(2), False)
        self.l15, self.l17 = Conv(c256, c256, 3, 2), A2C2f(c256 + c512, c512, rep(2), False)
        self.l18, self.l20 = Conv(c512, c512, 3, 2), C3k2(c512 + c1024, c1024, rep(2), True, 0.5)
        chs, c2 = (c256, c512, c1024), max(16, c256 // 4, 64)
        c3 = max(c256, min(nc, 100))
        self.box = nn.ModuleList(nn.Sequential(Conv(c, c2, 3), Conv(c2, c2, 3), nn.Conv2d(c2, 64, 1)) for c in chs)
        self.cls = nn.ModuleList(nn.Sequential(Conv(c, c, 3, g=c), Conv(c, c3), Conv(c3, c3, 3, g=c3), Conv(c3, c3),
                                               nn.Conv2d(c3, nc, 1)) for c in chs)
        self.register_buffer("bins", torch.arange(16.0))

    def forward(self, image):
        x = image.permute(0, 3, 1, 2).half().div(255)
        p3 = self.l4(self.l3(self.l2(self.l1(self.l0(x)))))
        p4 = self.l6(self.l5(p3))
        p5 = self.l8(self.l7(p4))
        up = lambda t: F.interpolate(t, scale_factor=2.0, mode="nearest")
        t4 = self.l11(torch.cat([up(p5), p4], 1))
        n3 = self.l14(torch.cat([up(t4), p3], 1))
        n4 = self.l17(torch.cat([self.l15(n3), t4], 1))
        n5 = self.l20(torch.cat([self.l18(n4), p5], 1))
        boxes, scores = [], []
        for i, (n, stride) in enumerate(zip((n3, n4, n5), (8, 16, 32))):
            b, _, h, w = n.shape
            d = self.box[i](n).float().view(b, 4, 16, h * w).softmax(2)
            d = (d * self.bins.view(1, 1, 16, 1)).sum(2)
            ax = torch.arange(w, device=n.device).add(0.5).repeat(h)
            ay = torch.arange(h, device=n.device).add(0.5).repeat_interleave(w)
            a = torch.stack([ax, ay])
            lo, hi = a - d[:, :2], a + d[:, 2:]
            boxes.append(torch.cat([(lo + hi) / 2, hi - lo], 1) * stride)
            scores.append(self.cls[i](n).float().sigmoid().flatten(2))
        return torch.cat([torch.cat(boxes, 2), torch.cat(scores, 2)], 1)


def graph_times(fn, image, rounds=60):
    """Seconds of CUDA-graph replays, one each."""
    s = torch.cuda.Stream()
    with torch.cuda.stream(s), torch.no_grad():
        for _ in range(3):
            fn(image)
    torch.cuda.synchronize()
    g = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(g):
        fn(image)
    for _ in range(10):
        g.replay()
    torch.cuda.synchronize()
    out = []
    for _ in range(rounds):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        g.replay()
        b.record()
        b.synchronize()
        out.append(a.elapsed_time(b) * 1e-3)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cells", nargs="+", help="scale:batch")
    p.add_argument("--mode", default="default", help="torch.compile mode, or 'eager'")
    p.add_argument("--json")
    p.add_argument("--wait", action="store_true", help="say ready when a cell is compiled; time it, algorithms of cuDNN "
                   "included, when a line comes: many may compile at a time, one has the card")
    o = p.parse_args()
    rows = []
    for cell in o.cells:
        scale, batch = cell.split(":")
        torch.manual_seed(0)
        m = YOLOv12(scale).cuda().half().eval().to(memory_format=torch.channels_last)
        m.bins = m.bins.float()
        image = torch.randint(0, 256, (int(batch), 640, 640, 3), dtype=torch.uint8, device="cuda")
        t0 = time.time()
        fn = m if o.mode == "eager" else torch.compile(m, mode=None if o.mode == "default" else o.mode)
        torch.cuda.reset_peak_memory_stats()
        torch.backends.cudnn.benchmark = False
        with torch.no_grad():
            fn(image)
        torch.cuda.synchronize()
        compiled = time.time() - t0
        if o.wait:
            print("ready", flush=True)
            sys.stdin.readline()
        torch.backends.cudnn.benchmark = True
        t = sorted(graph_times(fn, image))
        rows.append({"scale": scale, "batch": int(batch), "mode": o.mode, "ms": 1e3 * t[len(t) // 2],
                     "ms_min": 1e3 * t[0], "compile_s": compiled,
                     "peak_mb": torch.cuda.max_memory_allocated() / 1e6, "card": torch.cuda.get_device_name()})
        print(json.dumps(rows[-1]), flush=True)
        del m, fn, image
        torch._dynamo.reset()
        torch.cuda.empty_cache()
    if o.json:
        with open(o.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
