using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BackpropCluster.Core.Learning.Vectors;

// Element by element. What is left of an array goes through the same lines, one number in a register of its own: its
// value does not depend on where in the array it stands.
internal sealed partial class VectorKernels<L, V>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Activate(Activation activation, ReadOnlySpan<double> z, Span<double> y)
    {
        // One loop for each φ: a choice among them inside the loop would cost as much as the function.
        switch (activation)
        {
            case Activation.Identity:
                if (z != y)
                    z.CopyTo(y);
                break;
            case Activation.Logistic:
                Map<LogisticOf>(z, y);
                break;
            case Activation.Tanh:
                Map<TanhOf>(z, y);
                break;
            default:
                Map<ReluOf>(z, y);
                break;
        }
    }

    public override void Exp(ReadOnlySpan<double> x, Span<double> y) => Map<ExpOf>(x, y);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void MultiplyByDerivative(Activation activation, ReadOnlySpan<double> y, Span<double> delta)
    {
        var last = y[..delta.Length].Length - L.Count;
        ref var y0 = ref MemoryMarshal.GetReference(y);
        ref var delta0 = ref MemoryMarshal.GetReference(delta);
        var i = 0;
        for (; i <= last; i += L.Count)
            L.Store(
                L.Multiply(L.Load(ref delta0, i), ActivationRules.Derivative<L, V>(activation, L.Load(ref y0, i))),
                ref delta0,
                i
            );
        for (; i < delta.Length; i++)
            delta[i] *= ActivationRules.Derivative<Lanes64, double>(activation, y[i]);
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

    private readonly struct LogisticOf : IFunction
    {
        public static V Of(V x) => PortableMath.Logistic<L, V>(x);

        public static double Of(double x) => PortableMath.Logistic(x);
    }

    private readonly struct TanhOf : IFunction
    {
        public static V Of(V x) => PortableMath.Tanh<L, V>(x);

        public static double Of(double x) => PortableMath.Tanh(x);
    }

    private readonly struct ReluOf : IFunction
    {
        public static V Of(V x) => ActivationRules.Apply<L, V>(Activation.Relu, x);

        public static double Of(double x) => Activation.Relu.Apply(x);
    }
}
