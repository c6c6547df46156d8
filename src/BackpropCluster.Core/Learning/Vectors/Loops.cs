using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Learning.Vectors;

// Element by element. What is left of an array goes through the same lines, one number in a register of its own: its
// value does not depend on where in the array it stands.
internal sealed partial class VectorKernels<L, V>
{
    public override void Activate(Activation activation, ReadOnlySpan<double> z, Span<double> y)
    {
        var loop = new ActivateLoop { Z = z, Y = y };
        ActivationRules.Run(activation, ref loop);
    }

    public override void Exp(ReadOnlySpan<double> x, Span<double> y) => Map<ExpOf>(x, y);

    public override void MultiplyByDerivative(
        Activation activation,
        ReadOnlySpan<double> z,
        ReadOnlySpan<double> y,
        Span<double> delta
    )
    {
        var loop = new DerivativeLoop
        {
            Z = activation.NeedsNet() ? z[..delta.Length] : y[..delta.Length],
            Y = y[..delta.Length],
            Delta = delta,
        };
        ActivationRules.Run(activation, ref loop);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(ReadOnlySpan<double> x, Span<double> sum)
    {
        var last = x[..sum.Length].Length - L.Count;
        ref var x0 = ref MemoryMarshal.GetReference(x);
        ref var sum0 = ref MemoryMarshal.GetReference(sum);
        var i = 0;
        for (; i <= last; i += L.Count)
            L.Store(L.Add(L.Load(ref sum0, i), L.Load(ref x0, i)), ref sum0, i);
        for (; i < sum.Length; i++)
            sum[i] += x[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override bool Descend(double rate, ReadOnlySpan<double> w, Span<double> g)
    {
        var last = w[..g.Length].Length - L.Count;
        ref var w0 = ref MemoryMarshal.GetReference(w);
        ref var g0 = ref MemoryMarshal.GetReference(g);
        var (poison, i) = (L.Create(0), 0);
        for (; i <= last; i += L.Count)
        {
            var x = L.Fma(L.Create(rate), L.Load(ref g0, i), L.Load(ref w0, i));
            poison = L.Add(poison, L.Subtract(x, x));
            L.Store(x, ref g0, i);
        }

        var isFinite = L.IsZero(poison);
        for (; i < g.Length; i++)
        {
            g[i] = Math.FusedMultiplyAdd(rate, g[i], w[i]);
            isFinite &= double.IsFinite(g[i]);
        }

        return isFinite;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override bool AreFinite(ReadOnlySpan<double> values)
    {
        // x − x is 0 for every finite x and NaN for the others.
        ref var first = ref MemoryMarshal.GetReference(values);
        var (poison, i) = (L.Create(0), 0);
        for (; i <= values.Length - L.Count; i += L.Count)
        {
            var x = L.Load(ref first, i);
            poison = L.Add(poison, L.Subtract(x, x));
        }

        if (!L.IsZero(poison))
            return false;
        for (; i < values.Length; i++)
            if (!double.IsFinite(values[i]))
                return false;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override long MultiplyAdds(int rounds)
    {
        // As many chains as hide the latency of one and still leave registers: more than any processor's latency ×
        // units.
        V x = L.Create(rounds < 0 ? 1 : 0),
            c0 = x,
            c1 = x,
            c2 = x,
            c3 = x,
            c4 = x,
            c5 = x,
            c6 = x,
            c7 = x,
            c8 = x,
            c9 = x,
            c10 = x,
            c11 = x;
        for (var i = 0; i < rounds; i++)
        {
            c0 = L.Fma(x, x, c0);
            c1 = L.Fma(x, x, c1);
            c2 = L.Fma(x, x, c2);
            c3 = L.Fma(x, x, c3);
            c4 = L.Fma(x, x, c4);
            c5 = L.Fma(x, x, c5);
            c6 = L.Fma(x, x, c6);
            c7 = L.Fma(x, x, c7);
            c8 = L.Fma(x, x, c8);
            c9 = L.Fma(x, x, c9);
            c10 = L.Fma(x, x, c10);
            c11 = L.Fma(x, x, c11);
        }

        // The sums are used, or the compiler would leave them out.
        var (first, second) = (L.Add(L.Add(c0, c1), L.Add(c2, c3)), L.Add(L.Add(c4, c5), L.Add(c6, c7)));
        return L.IsZero(L.Add(L.Add(first, second), L.Add(L.Add(c8, c9), L.Add(c10, c11))))
            ? 12L * L.Count * rounds
            : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Map<TFunction>(ReadOnlySpan<double> x, Span<double> y)
        where TFunction : struct, IFunction
    {
        var last = y[..x.Length].Length - L.Count;
        ref var x0 = ref MemoryMarshal.GetReference(x);
        ref var y0 = ref MemoryMarshal.GetReference(y);
        var i = 0;
        for (; i <= last; i += L.Count)
            L.Store(TFunction.Of(L.Load(ref x0, i)), ref y0, i);
        for (; i < x.Length; i++)
            y[i] = TFunction.Of(x[i]);
    }

    private interface IFunction
    {
        static abstract V Of(V x);

        static abstract double Of(double x);
    }

    private readonly struct ExpOf : IFunction
    {
        public static V Of(V x) => PortableMath.Exp<L, V>(x);

        public static double Of(double x) => PortableMath.Exp(x);
    }

    private readonly struct ActivationOf<TKind> : IFunction
        where TKind : struct, IActivationKind
    {
        public static V Of(V x) => ActivationRules.Apply<L, V>(TKind.Value, x);

        public static double Of(double x) => ActivationRules.Apply<Lanes64, double>(TKind.Value, x);
    }

    private ref struct ActivateLoop : IActivationLoop
    {
        public required ReadOnlySpan<double> Z;
        public required Span<double> Y;

        public readonly void Run<TKind>()
            where TKind : struct, IActivationKind => Map<ActivationOf<TKind>>(Z, Y);
    }

    private ref struct DerivativeLoop : IActivationLoop
    {
        public required ReadOnlySpan<double> Z;
        public required ReadOnlySpan<double> Y;
        public required Span<double> Delta;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run<TKind>()
            where TKind : struct, IActivationKind
        {
            ref var z0 = ref MemoryMarshal.GetReference(Z);
            ref var y0 = ref MemoryMarshal.GetReference(Y);
            ref var delta0 = ref MemoryMarshal.GetReference(Delta);
            var i = 0;
            for (; i <= Delta.Length - L.Count; i += L.Count)
            {
                var slope = ActivationRules.Derivative<L, V>(TKind.Value, L.Load(ref z0, i), L.Load(ref y0, i));
                L.Store(L.Multiply(L.Load(ref delta0, i), slope), ref delta0, i);
            }

            for (; i < Delta.Length; i++)
                Delta[i] *= ActivationRules.Derivative<Lanes64, double>(TKind.Value, Z[i], Y[i]);
        }
    }
}
