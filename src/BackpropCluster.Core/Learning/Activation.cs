using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BackpropCluster.Core.Learning;

/// <summary>φ, the function from net z to activation y.</summary>
public enum Activation
{
    Identity,
    Logistic,
    Tanh,
    Relu,
}

/// <summary>φ and φ′ side by side. φ′ is written in terms of y, so that z need not be kept.</summary>
/// <remarks><code>
/// identity   y = z                 φ′ = 1
/// logistic   y = 1/(1 + e⁻ᶻ)       φ′ = y(1 − y)
/// tanh       y = tanh z            φ′ = 1 − y²
/// relu       y = max(z, 0)         φ′ = 1 where y > 0, else 0
/// </code></remarks>
public static class ActivationRules
{
    /// <summary>φ of eight nets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Apply(this Activation activation, Vector512<double> z) => activation switch
    {
        Activation.Identity => z,
        Activation.Logistic => Exact.Logistic(z),
        Activation.Tanh => Exact.Tanh(z),
        // Not Max(z, 0): a NaN must stay one, or a diverged run would look healthy.
        Activation.Relu => Vector512.ConditionalSelect(Vector512.LessThan(z, Vector512<double>.Zero), Vector512<double>.Zero, z),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
    };

    /// <summary>φ′ at the net whose activation is y.</summary>
    public static double Derivative(this Activation activation, double y) => activation.Derivative(Vector512.CreateScalar(y)).ToScalar();

    /// <summary>φ′ at the nets of eight activations.</summary>
    public static Vector512<double> Derivative(this Activation activation, Vector512<double> y) => activation switch
    {
        Activation.Identity => Vector512<double>.One,
        Activation.Logistic => y * (Vector512<double>.One - y),
        Activation.Tanh => Vector512.FusedMultiplyAdd(-y, y, Vector512<double>.One),
        Activation.Relu => Vector512.ConditionalSelect(Vector512.GreaterThan(y, Vector512<double>.Zero), Vector512<double>.One, Vector512<double>.Zero),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
    };

    /// <summary>y = φ(z), element by element.</summary>
    public static void Apply(this Activation activation, ReadOnlySpan<double> z, Span<double> y)
    {
        // One loop for each φ: a choice among them inside the loop would cost as much as the function.
        var i = activation switch
        {
            Activation.Logistic => ApplyLogistic(z, y),
            Activation.Tanh => ApplyTanh(z, y),
            _ => ApplyCheap(activation, z, y),
        };
        if (i == z.Length) return;

        // The tail goes through the same eight lanes, so an element's value does not depend on where in the array it stands.
        Span<double> lanes = stackalloc double[Vector512<double>.Count];
        z[i..].CopyTo(lanes);
        activation.Apply(Vector512.Create<double>(lanes)).CopyTo(lanes);
        lanes[..(z.Length - i)].CopyTo(y[i..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ApplyLogistic(ReadOnlySpan<double> z, Span<double> y)
    {
        var i = 0;
        for (; i + Vector512<double>.Count <= z.Length; i += Vector512<double>.Count) Exact.Logistic(Vector512.Create(z[i..])).CopyTo(y[i..]);
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ApplyTanh(ReadOnlySpan<double> z, Span<double> y)
    {
        var i = 0;
        for (; i + Vector512<double>.Count <= z.Length; i += Vector512<double>.Count) Exact.Tanh(Vector512.Create(z[i..])).CopyTo(y[i..]);
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ApplyCheap(Activation activation, ReadOnlySpan<double> z, Span<double> y)
    {
        var i = 0;
        for (; i + Vector512<double>.Count <= z.Length; i += Vector512<double>.Count) activation.Apply(Vector512.Create(z[i..])).CopyTo(y[i..]);
        return i;
    }

    /// <summary>δ = s ⊙ φ′, element by element, in place: s comes in, δ goes out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyByDerivative(this Activation activation, ReadOnlySpan<double> y, Span<double> delta)
    {
        var i = 0;
        for (; i + Vector512<double>.Count <= delta.Length; i += Vector512<double>.Count)
            (Vector512.Create<double>(delta[i..]) * activation.Derivative(Vector512.Create(y[i..]))).CopyTo(delta[i..]);
        for (; i < delta.Length; i++)
            delta[i] *= activation.Derivative(y[i]);
    }
}
