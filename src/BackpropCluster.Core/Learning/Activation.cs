using System.Runtime.CompilerServices;
using BackpropCluster.Core.Learning.Vectors;

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
    /// <summary>y = φ(z).</summary>
    public static double Apply(this Activation activation, double z) => Apply<Lanes64, double>(activation, z);

    /// <summary>y = φ(z), element by element; both may be one array.</summary>
    public static void Apply(this Activation activation, ReadOnlySpan<double> z, Span<double> y) =>
        Kernels.Current.Activate(activation, z, y);

    /// <summary>φ′ at the net whose activation is y.</summary>
    public static double Derivative(this Activation activation, double y) => Derivative<Lanes64, double>(activation, y);

    /// <summary>δ = s ⊙ φ′, element by element, in place: s comes in, δ goes out.</summary>
    public static void MultiplyByDerivative(this Activation activation, ReadOnlySpan<double> y, Span<double> delta) =>
        Kernels.Current.MultiplyByDerivative(activation, y, delta);

    /// <summary>φ of some nets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Apply<L, V>(Activation activation, V z)
        where L : struct, ILanes<V>
        where V : struct =>
        activation switch
        {
            Activation.Identity => z,
            Activation.Logistic => PortableMath.Logistic<L, V>(z),
            Activation.Tanh => PortableMath.Tanh<L, V>(z),
            // Not Max(z, 0): a NaN must stay one, or a diverged run would look healthy.
            Activation.Relu => L.IfLess(z, L.Create(0), L.Create(0), z),
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
        };

    /// <summary>φ′ at the nets of some activations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Derivative<L, V>(Activation activation, V y)
        where L : struct, ILanes<V>
        where V : struct =>
        activation switch
        {
            Activation.Identity => L.Create(1),
            Activation.Logistic => L.Multiply(y, L.Subtract(L.Create(1), y)),
            Activation.Tanh => L.Fma(L.Negate(y), y, L.Create(1)),
            Activation.Relu => L.IfLess(L.Create(0), y, L.Create(1), L.Create(0)),
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
        };
}
